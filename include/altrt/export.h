// Symbol visibility of the public interface. Everything not marked ALTRT_API is hidden in libaltrt.so.
#pragma once

#define ALTRT_API __attribute__((visibility("default")))
