// Finds data races of a kernel: two threads touch a byte, one of them writes it, and no barrier lies between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace altrt::cuda_host {

/// What happened to memory since the launch. Time is counted in epochs: one begins with each block and with each of its
/// barriers, 1 is the first. Blocks are never ordered; threads of a block are, between epochs.
class Races {
 public:
  struct Now {
    uint32_t epoch = 0;
    uint32_t first_epoch = 0;  // of the block; 0 for shared memory, which is another one in each block
    uint16_t thread = 0;
  };
  /// Whether the access, which is about to happen, races with an earlier one. A write that changes nothing does not:
  /// call confirm() before anything else happens.
  bool access(const void* address, size_t bytes, bool write, const Now& now);
  /// Where the last write raced after all; null if it did not.
  const void* confirm();

 private:
  struct Cell {
    uint32_t written = 0, first_read = 0, last_read = 0;  // epochs; 0 = never
    uint16_t writer = 0, reader = 0;                      // in the last of those epochs
  };
  static constexpr uintptr_t kPage = 1024;
  struct Page {
    Cell cells[kPage];
  };
  Page& page_of(uintptr_t address);
  static bool access(Cell& cell, bool write, const Now& now);

  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages_;
  struct {
    uintptr_t number = 0;
    Page* page = nullptr;
  } recent_[16];
  const void* suspect_ = nullptr;  // was written by a thread that was not the first to touch it
  std::vector<unsigned char> before_;
};

}  // namespace altrt::cuda_host
