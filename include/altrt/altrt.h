// Everything a host program needs.
#pragma once

#include <altrt/cache.h>
#include <altrt/error.h>
#include <altrt/model.h>
#include <altrt/session.h>
#include <altrt/tensor.h>
