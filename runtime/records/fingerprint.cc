#include "runtime/records/fingerprint.h"

#include <elf.h>
#include <link.h>

#include <cstring>

#include "runtime/base/buffer.h"

namespace altrt::records {
namespace {

struct Search {
  uintptr_t address = 0;  // inside the binary looked for
  std::string id;
};

bool holds(const dl_phdr_info& binary, uintptr_t address) {
  for (int i = 0; i < binary.dlpi_phnum; ++i) {
    const auto& header = binary.dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const uintptr_t begin = binary.dlpi_addr + header.p_vaddr;
    if (address >= begin && address < begin + header.p_memsz) return true;
  }
  return false;
}

std::string hex_digits(const uint8_t* bytes, size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

std::string id_in_notes(const uint8_t* notes, size_t bytes) {
  size_t at = 0;
  while (at + sizeof(ElfW(Nhdr)) <= bytes) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof note);
    const size_t name = at + sizeof note;
    const size_t content = name + base::round_up(note.n_namesz, 4);
    const size_t end = content + base::round_up(note.n_descsz, 4);
    if (end > bytes) return "";
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(notes + name, "GNU", 4) == 0) {
      return hex_digits(notes + content, note.n_descsz);
    }
    at = end;
  }
  return "";
}

int visit(dl_phdr_info* binary, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  if (!holds(*binary, search.address)) return 0;
  for (int i = 0; i < binary->dlpi_phnum && search.id.empty(); ++i) {
    const auto& header = binary->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as integers
    const auto* notes = reinterpret_cast<const uint8_t*>(binary->dlpi_addr + header.p_vaddr);
    search.id = id_in_notes(notes, header.p_memsz);
  }
  return 1;
}

}  // namespace

std::string difference(const Fingerprint& file, const Fingerprint& wanted) {
  const auto value = [](const Fingerprint& fields, const std::string& name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string("nothing") : "'" + found->second + "'";
  };
  Fingerprint all = wanted;
  all.insert(file.begin(), file.end());
  for (const auto& [name, ignored] : all) {
    const std::string there = value(file, name), here = value(wanted, name);
    if (there != here) return name + " differs: " + there + " -> " + here;
  }
  return "";
}

std::string build_id() {
  static const std::string id = [] {
    Search search;
    search.address = reinterpret_cast<uintptr_t>(&difference);
    dl_iterate_phdr(visit, &search);
    return search.id;
  }();
  return id;
}

}  // namespace altrt::records
