// A cubin is an ELF file. The code of kernel k is its section .text.k, with the number of registers in the upper byte
// of the section's info. Section .nv.info is a list of attributes: frame sizes are pairs (symbol, bytes).
#include "jit/gpu/cubin.h"

#include <elf.h>

#include <cstring>
#include <string_view>
#include <vector>

namespace altrt::jit::gpu {
namespace {

constexpr uint8_t kSizedValue = 4;  // attribute format: two bytes of size, then as many bytes
constexpr uint8_t kFrameSize = 0x11, kRegisterCount = 0x2f;

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  template <typename Record>
  std::optional<Record> read(uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(Record)) return std::nullopt;
    Record record;
    std::memcpy(&record, bytes_.data() + offset, sizeof record);
    return record;
  }
  std::span<const uint8_t> part(uint64_t offset, uint64_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return {};
    return bytes_.subspan(offset, size);
  }

 private:
  std::span<const uint8_t> bytes_;
};

std::string_view text_at(std::span<const uint8_t> strings, uint64_t offset) {
  if (offset >= strings.size()) return {};
  const char* text = reinterpret_cast<const char*>(strings.data()) + offset;
  return {text, strnlen(text, strings.size() - offset)};
}

std::vector<Elf64_Shdr> sections_of(const Reader& file, const Elf64_Ehdr& header) {
  std::vector<Elf64_Shdr> sections;
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = file.read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
    if (!section) return {};
    sections.push_back(*section);
  }
  return sections;
}

/// Number of a symbol in the symbol table; 0 = none.
uint32_t symbol_number(const Reader& file, const std::vector<Elf64_Shdr>& sections, const std::string& name) {
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& strings = sections[section.sh_link];
    const Reader table(file.part(section.sh_offset, section.sh_size));
    for (uint32_t i = 0;; ++i) {
      const auto symbol = table.read<Elf64_Sym>(i * sizeof(Elf64_Sym));
      if (!symbol) break;
      if (text_at(file.part(strings.sh_offset, strings.sh_size), symbol->st_name) == name) return i;
    }
  }
  return 0;
}

/// What the attributes of that kind say about the symbol; 0 where they say nothing.
uint32_t figure(std::span<const uint8_t> info, uint8_t kind, uint32_t symbol) {
  struct Attribute {
    uint8_t format, kind;
    uint16_t size;
  };
  struct Figure {
    uint32_t symbol, value;
  };
  const Reader reader(info);
  for (uint64_t at = 0;;) {
    const auto attribute = reader.read<Attribute>(at);
    if (!attribute) return 0;
    at += sizeof(Attribute);
    if (attribute->format != kSizedValue) continue;
    const auto found = reader.read<Figure>(at);
    if (attribute->kind == kind && found && found->symbol == symbol) return found->value;
    at += attribute->size;
  }
}

}  // namespace

std::optional<CubinUse> cubin_use(std::span<const uint8_t> bytes, const std::string& entry) {
  const Reader file(bytes);
  const auto header = file.read<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  const std::vector<Elf64_Shdr> sections = sections_of(file, *header);
  if (header->e_shstrndx >= sections.size()) return std::nullopt;
  const Elf64_Shdr& names = sections[header->e_shstrndx];
  const uint32_t symbol = symbol_number(file, sections, entry);
  CubinUse use;
  for (const Elf64_Shdr& section : sections) {
    const std::string_view name = text_at(file.part(names.sh_offset, names.sh_size), section.sh_name);
    if (name == ".text." + entry) {
      use.code_bytes = static_cast<int64_t>(section.sh_size);
    } else if (name == ".nv.info") {
      const auto info = file.part(section.sh_offset, section.sh_size);
      use.frame_bytes = figure(info, kFrameSize, symbol);
      use.registers = static_cast<int>(figure(info, kRegisterCount, symbol));
    }
  }
  return use.code_bytes > 0 ? std::optional(use) : std::nullopt;
}

}  // namespace altrt::jit::gpu
