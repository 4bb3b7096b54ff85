#include <algorithm>
#include <utility>

#include "jit/compile/provide.h"
#include "runtime/base/buffer.h"
#include "runtime/base/trace.h"
#include "tuner/measure/machine.h"

namespace altrt::tuner {
namespace {

constexpr size_t kZone = 4096;  // watched bytes on each side
constexpr uint8_t kMark = 0xa7;

/// Between zones of marks.
class DeviceMemory final : public WatchedMemory {
 public:
  DeviceMemory(jit::Device& device, std::shared_ptr<jit::DeviceStream> stream, size_t bytes)
      : device_(device), stream_(std::move(stream)), size_(bytes), room_(device.allocate(bytes + 2 * kZone)) {
    stream_->fill(room_.get(), kMark, bytes + 2 * kZone);
  }

  void* address() const override { return static_cast<uint8_t*>(room_.get()) + kZone; }
  size_t size() const override { return size_; }
  void change(base::FunctionRef<void(void*)> action) override {
    base::AlignedBuffer bytes = download(address(), size_);
    action(bytes.data());
    stream_->upload(address(), bytes.data(), size_);
    stream_->wait();
  }
  void look(base::FunctionRef<void(const void*)> action) const override {
    const base::AlignedBuffer bytes = download(address(), size_);
    action(bytes.data());
  }
  void keep() override {
    if (!kept_) kept_ = device_.allocate(size_);
    stream_->copy(kept_.get(), address(), size_);
  }
  void restore(base::Team::Lease&) override { stream_->copy(address(), kept_.get(), size_); }
  bool is_as_kept() const override {
    const base::AlignedBuffer now = download(address(), size_), before = download(kept_.get(), size_);
    return std::equal(now.as<uint8_t>(), now.as<uint8_t>() + size_, before.as<uint8_t>());
  }
  bool intact() const override {
    const auto is_marked = [&](const void* zone) {
      const base::AlignedBuffer bytes = download(zone, kZone);
      return std::all_of(bytes.as<uint8_t>(), bytes.as<uint8_t>() + kZone, [](uint8_t b) { return b == kMark; });
    };
    return is_marked(room_.get()) && is_marked(static_cast<uint8_t*>(address()) + size_);
  }

 private:
  base::AlignedBuffer download(const void* from, size_t bytes) const {
    base::AlignedBuffer buffer(bytes);
    stream_->download(buffer.data(), from, bytes);
    stream_->wait();
    return buffer;
  }

  jit::Device& device_;
  std::shared_ptr<jit::DeviceStream> stream_;
  size_t size_;
  std::shared_ptr<void> room_, kept_;
};

class DeviceMachine final : public Machine {
 public:
  explicit DeviceMachine(std::shared_ptr<jit::Device> device)
      : device_(std::move(device)), stream_(device_->make_stream()) {}

  std::unique_ptr<Machine> with(Placement) override { return nullptr; }
  std::unique_ptr<WatchedMemory> allocate(size_t bytes, Contents) override {
    return std::make_unique<DeviceMemory>(*device_, stream_, bytes);
  }

  Kernels load(const jit::CompiledGroup& group, const jit::GroupDecision& decision) override {
    return jit::load(group, decision, device_.get());
  }

  void prepare(int64_t) override {}

  std::optional<double> run(const std::vector<const Call*>& calls, base::Team::Lease&, double,
                            base::FunctionRef<bool()> over) override {
    const base::Stopwatch watch;
    for (const Call* call : calls) {
      launch(*call);
      stream_->wait();
      if (over()) return std::nullopt;
    }
    return watch.milliseconds();
  }

  double time(const std::vector<const Call*>& calls, base::Team::Lease&) override {
    const std::unique_ptr<jit::DeviceEvent> begin = stream_->record();
    for (const Call* call : calls) launch(*call);
    const std::unique_ptr<jit::DeviceEvent> end = stream_->record();
    stream_->wait();
    last_use_ = {};
    return stream_->milliseconds(*begin, *end);
  }

  void wake() override {
    constexpr double kIdleMs = 30, kWarmMs = 10;
    if (is_awake_ && last_use_.milliseconds() < kIdleMs) return;
    is_awake_ = true;
    for (const base::Stopwatch watch; watch.milliseconds() < kWarmMs;) {
      fill();
      stream_->wait();
    }
  }

  /// All goes through the one cache that all multiprocessors share.
  void evict(const std::vector<WatchedMemory*>& far, base::Team::Lease&) override {
    if (!far.empty()) fill();
  }

  jit::Device* device() const override { return device_.get(); }

 private:
  void fill() {
    const size_t bytes = 2 * static_cast<size_t>(std::max<int64_t>(device_->target().l2_bytes, 1));
    if (!filler_) filler_ = device_->allocate(bytes);
    stream_->fill(filler_.get(), 0, bytes);
  }

  void launch(const Call& call) {
    if (call.tasks == 0) return;
    jit::Launch launch{call.kernel, {}, call.tasks};
    for (const void* argument : call.arguments) launch.arguments.push_back(const_cast<void*>(argument));
    stream_->launch(launch);
  }

  std::shared_ptr<jit::Device> device_;
  std::shared_ptr<jit::DeviceStream> stream_;
  std::shared_ptr<void> filler_;
  base::Stopwatch last_use_;
  bool is_awake_ = false;
};

}  // namespace

std::unique_ptr<Machine> make_machine(std::shared_ptr<jit::Device> device) {
  return std::make_unique<DeviceMachine>(std::move(device));
}

}  // namespace altrt::tuner
