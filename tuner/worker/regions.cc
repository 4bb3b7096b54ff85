#include "tuner/worker/regions.h"

#include <altrt/error.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/base/buffer.h"
#include "tuner/worker/shared_file.h"

namespace altrt::tuner {
namespace {

constexpr size_t kMostFree = 192 << 20;  // bytes that are kept for others
constexpr size_t kMostRegions = 256;

size_t page_size() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t bytes_of(const Mapping& mapping) { return mapping.inner + mapping.kept; }

// A region is not taken where much of it would lie idle.
bool fits(const Mapping& has, const Mapping& wanted) {
  return has.writable == wanted.writable && (has.kept > 0) == (wanted.kept > 0) && has.inner >= wanted.inner &&
         has.kept >= wanted.kept && has.inner <= wanted.inner + wanted.inner / 4 + 16 * page_size();
}

void place(Mapping& mapping, size_t bytes, Placement placement) {
  const size_t rest = mapping.inner - bytes;
  mapping.size = bytes;
  mapping.offset = placement == Placement::front  ? kFrontGap
                   : placement == Placement::back ? rest
                                                  : rest / base::kAlignment * base::kAlignment;
}

void mark(const Region& region) {
  const Mapping& m = region.mapping;
  base::mark(region.inner(), region.data());
  base::mark(region.data() + m.size, region.inner() + m.inner);
}

}  // namespace

uint8_t* Region::inner() const { return base + page_size(); }

bool Region::intact() const {
  return base::is_marked(inner(), data()) && base::is_marked(data() + mapping.size, inner() + mapping.inner);
}

Regions::~Regions() {
  for (const Region& region : free_) release(region);
}

Region Regions::take(uint64_t owner, size_t bytes, Contents contents, Placement placement) {
  Mapping wanted;
  wanted.owner = owner;
  wanted.inner = base::round_up(bytes + base::kAlignment, page_size());
  wanted.kept = contents == Contents::input ? base::round_up(bytes, page_size()) : 0;
  wanted.writable = contents != Contents::constant;
  place(wanted, bytes, placement);
  Region region;
  if (!reuse(wanted, placement, region)) {
    wanted.id = ++last_id_;
    region = make(wanted);
  }
  mark(region);
  return region;
}

bool Regions::reuse(const Mapping& wanted, Placement placement, Region& region) {
  const auto found =
      std::find_if(free_.rbegin(), free_.rend(), [&](const Region& r) { return fits(r.mapping, wanted); });
  if (found == free_.rend()) return false;
  region = *found;
  free_.erase(std::next(found).base());
  free_bytes_ -= bytes_of(region.mapping);
  region.mapping.owner = wanted.owner;
  place(region.mapping, wanted.size, placement);
  if (region.generation == worker_.generation()) worker_.post(Ask::place, Writer().add(region.mapping));
  return true;
}

Region Regions::make(const Mapping& mapping) {
  Region region;
  region.mapping = mapping;
  const SharedFile file(bytes_of(mapping));
  const size_t reserved = mapping.inner + 2 * page_size();
  void* const room = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    throw Error(ErrorCode::out_of_memory, "cannot allocate " + std::to_string(mapping.size) + " bytes");
  }
  region.base = static_cast<uint8_t*>(room);
  try {
    file.map(0, mapping.inner, region.inner());
    if (mapping.kept > 0) region.kept = static_cast<uint8_t*>(file.map(mapping.inner, mapping.kept));
  } catch (...) {
    munmap(room, reserved);
    throw;
  }
  if (worker_.is_running()) give(region, file.descriptor());
  return region;
}

void Regions::give(Region& region, int descriptor) {
  worker_.post(Ask::map, Writer().add(region.mapping), descriptor);
  region.generation = worker_.generation();
}

// Descriptors are not kept, there would be too many of them: a new worker gets copies, which take the place of what the
// last one had.
void Regions::share(Region& region) {
  if (region.generation == worker_.generation()) return;
  const Mapping& m = region.mapping;
  const SharedFile file(bytes_of(m));
  file.write(0, region.inner(), m.inner);
  if (region.kept) file.write(m.inner, region.kept, m.kept);
  file.map(0, m.inner, region.inner());
  if (region.kept) file.map(m.inner, m.kept, region.kept);
  give(region, file.descriptor());
}

void Regions::give_back(const Region& region) {
  free_.push_back(region);
  free_bytes_ += bytes_of(region.mapping);
  while (free_bytes_ > kMostFree || free_.size() > kMostRegions) {
    free_bytes_ -= bytes_of(free_.front().mapping);
    release(free_.front());
    free_.pop_front();
  }
}

void Regions::release(const Region& region) {
  if (region.generation == worker_.generation()) worker_.post(Ask::unmap, Writer().add(region.mapping.id));
  munmap(region.base, region.mapping.inner + 2 * page_size());
  if (region.kept) munmap(region.kept, region.mapping.kept);
}

}  // namespace altrt::tuner
