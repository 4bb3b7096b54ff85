#include "jit/gpu/gpu.h"

#include <cctype>

namespace altrt::jit::gpu {

std::string entry_name(const Nest& nest) {
  std::string name = nest.name;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

}  // namespace altrt::jit::gpu
