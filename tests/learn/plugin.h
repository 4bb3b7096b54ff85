// The plug-in under test. Where it is not built, tests of it are skipped.
#pragma once

#include <gtest/gtest.h>

#include "tuner/learn/plugin.h"

#ifdef ALTRT_LEARNING_FILE
#define NEEDS_PLUGIN() altrt::tuner::open_learning_file(ALTRT_LEARNING_FILE)
#else
#define NEEDS_PLUGIN() GTEST_SKIP() << "the tuner's plug-in is not built"
#endif
