#include "tests/jit_gpu/simulated_code.h"

#include <elf.h>

#include <cstdlib>
#include <cstring>

#include "tests/jit_gpu/simulated_driver.h"

namespace altrt::jit::gpu {
namespace {

constexpr Elf64_Half kCudaMachine = 190;
constexpr int kRegisters = 32;
const std::string kPtxHead = "// simulated PTX, .target sm_", kTextPrefix = ".text.";

struct Sections {
  Elf64_Ehdr header = {};
  Elf64_Shdr none = {}, names = {}, text = {};
};

}  // namespace

std::string image_of(const SimulatedCode& code) {
  if (code.is_ptx) return kPtxHead + std::to_string(code.architecture) + "\n" + code.text;
  const std::string names = std::string("\0.shstrtab\0", 11) + kTextPrefix + code.entry + '\0';
  Sections s;
  std::memcpy(s.header.e_ident, ELFMAG, SELFMAG);
  s.header.e_ident[EI_CLASS] = ELFCLASS64;
  s.header.e_machine = kCudaMachine;
  s.header.e_flags = static_cast<Elf64_Word>(code.architecture);
  s.header.e_shoff = offsetof(Sections, none);
  s.header.e_shentsize = sizeof(Elf64_Shdr);
  s.header.e_shnum = 3;
  s.header.e_shstrndx = 1;
  s.names.sh_name = 1;
  s.names.sh_type = SHT_STRTAB;
  s.names.sh_offset = sizeof s;
  s.names.sh_size = names.size();
  s.text.sh_name = 11;
  s.text.sh_type = SHT_PROGBITS;
  s.text.sh_offset = sizeof s + names.size();
  s.text.sh_size = code.text.size();
  s.text.sh_info = kRegisters << 24;
  return std::string(reinterpret_cast<const char*>(&s), sizeof s) + names + code.text;
}

std::optional<SimulatedCode> code_in(const void* image) {
  const auto* bytes = static_cast<const char*>(image);
  SimulatedCode code;
  if (std::strncmp(bytes, kPtxHead.c_str(), kPtxHead.size()) == 0) {
    code.is_ptx = true;
    code.architecture = std::atoi(bytes + kPtxHead.size());
    code.text = std::strchr(bytes, '\n') + 1;
    code.entry = entry_in(code.text);
    return code;
  }
  Sections s;
  if (std::memcmp(bytes, ELFMAG, SELFMAG) != 0) return std::nullopt;
  std::memcpy(&s.header, bytes, sizeof s.header);
  if (s.header.e_machine != kCudaMachine || s.header.e_shnum != 3) return std::nullopt;
  std::memcpy(&s, bytes, sizeof s);
  code.architecture = static_cast<int>(s.header.e_flags);
  code.entry = bytes + s.names.sh_offset + s.text.sh_name + kTextPrefix.size();
  code.text.assign(bytes + s.text.sh_offset, s.text.sh_size);
  return code;
}

}  // namespace altrt::jit::gpu
