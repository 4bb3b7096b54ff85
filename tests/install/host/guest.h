// The part of a host program that uses libaltrt: linked into the program, or a plug-in that it opens. Only C goes
// through this interface, so that a plug-in's functions can be looked up by name.
#pragma once

#include <stddef.h>

extern "C" {

enum { kGuestOutputs = 5 };

// Writes the small model that hosts run. 0, or 1 with a line on stderr.
int guest_save(const char* path);

// Reads `model`, lets libaltrt refuse a damaged copy of it, makes a session, runs it on a fixed input, destroys all.
// 0, or 1 with a line on stderr.
int guest_run(const void* model, size_t size, float outputs[kGuestOutputs]);

// The same with a few trials of tuning. The answer may differ in its last bits.
int guest_tune(const void* model, size_t size, float outputs[kGuestOutputs]);
}
