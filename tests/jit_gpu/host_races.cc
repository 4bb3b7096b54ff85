#include "tests/jit_gpu/host_races.h"

#include <cstring>
#include <utility>

namespace altrt::cuda_host {
namespace {
constexpr uint16_t kSeveral = 0xffff;
}

Races::Page& Races::page_of(uintptr_t address) {
  const uintptr_t number = address / kPage;
  auto& recent = recent_[number % 16];
  if (recent.page && recent.number == number) return *recent.page;
  std::unique_ptr<Page>& page = pages_[number];
  if (!page) page = std::make_unique<Page>();
  recent = {number, page.get()};
  return *page;
}

bool Races::access(Cell& cell, bool write, const Now& now) {
  const auto unordered = [&](uint32_t epoch, uint16_t thread) {
    return (epoch == now.epoch && thread != now.thread) || (epoch != 0 && epoch < now.first_epoch);
  };
  bool race = unordered(cell.written, cell.writer);
  if (write) {
    race |= unordered(cell.last_read, cell.reader) || (cell.first_read != 0 && cell.first_read < now.first_epoch);
    cell.written = now.epoch;
    cell.writer = now.thread;
    return race;
  }
  if (cell.first_read == 0) cell.first_read = now.epoch;
  const bool same_epoch = cell.last_read == now.epoch;
  cell.reader = same_epoch && cell.reader != now.thread ? kSeveral : now.thread;
  cell.last_read = now.epoch;
  return race;
}

bool Races::access(const void* address, size_t bytes, bool write, const Now& now) {
  bool race = false;
  const auto begin = reinterpret_cast<uintptr_t>(address);
  for (uintptr_t at = begin; at < begin + bytes; ++at) {
    race |= access(page_of(at).cells[at % kPage], write, now);
  }
  if (!race || !write) return race;
  suspect_ = address;
  before_.assign(static_cast<const unsigned char*>(address), static_cast<const unsigned char*>(address) + bytes);
  return false;
}

const void* Races::confirm() {
  const void* written = std::exchange(suspect_, nullptr);
  return written && std::memcmp(written, before_.data(), before_.size()) != 0 ? written : nullptr;
}

}  // namespace altrt::cuda_host
