// Sessions: a model made ready to run on this machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <altrt/decision.h>
#include <altrt/error.h>
#include <altrt/export.h>
#include <altrt/model.h>
#include <altrt/operator.h>
#include <altrt/tensor.h>

namespace altrt {

/// default: any algorithm within the accuracy bounds (1e-5 relative L2 an operator, Winograd 2e-5, a network 1e-4).
/// strict: only algorithms that compute each output as the sum the operator defines, in some order.
enum class Numerics : uint8_t { standard, strict };
/// standard keeps what makes runs fast. lean keeps less: construction ends with the heap's free pages given back to the
/// system, the convenience form of run keeps no context between calls, and tuning, which keeps records of its own for
/// this mode, chooses no algorithms that make packed weights (of the whole model) more than an eighth larger. The
/// weights as they stand in the file go with the last copy of the Model, in both modes.
enum class Memory : uint8_t { standard, lean };
/// What a call does when another call holds the session's threads. share: runs at once on the calling thread alone.
/// queue: waits. On a device calls need no threads of the session, and never wait for each other here.
enum class Concurrency : uint8_t { share, queue };

enum class TuningMode : uint8_t {
  off,  ///< No trials; records and bundles of earlier tunings are still used.
  load  ///< Session construction tunes within the budget, then returns with the best plan so far.
};

/// State of a tuning, passed to the progress callback.
struct TuningProgress {
  std::string phase;   ///< "search", "finalists", "whole plan"
  std::string task;    ///< the group being tuned
  int task_index = 0;  ///< counts from 0
  int task_count = 0;
  int64_t trials = 0;  ///< in this tuning so far
  double best_ms = 0;  ///< the estimate of the best plan's latency
  double elapsed_s = 0;
  double remaining_s = 0;  ///< until the budget ends, at most
};

/// What a tuning may choose. All but joint are there to be compared with (ALT, EuroSys'23, section 7.3).
enum class Search : uint8_t {
  joint,          ///< layouts and loops together
  loops_only,     ///< loops alone: channels last, weights in plain order (the paper's ALT-OL)
  loops_packed,   ///< the same with weights packed to suit the loops
  propagate_only  ///< loops alone, in the layouts of the untuned plan (ALT-WP)
};

struct TuningOptions {
  TuningMode mode = TuningMode::off;
  /// Total time and number of trials for this model, device, thread count and mode, over all starts; whichever ends
  /// first. 0 trials = no limit.
  std::chrono::milliseconds budget{0};
  int64_t max_trials = 0;
  uint64_t seed = 0;
  Search search = Search::joint;
  /// Who proposes layouts: "ppo", "evolutionary", "random"; "" = the one that does best. PPO needs the plug-in
  /// libaltrt_tuner.so beside the library; without it, after one line in the log, the search is evolutionary.
  std::string proposer;
  /// Compiles and runs candidates in processes of their own (altrt-worker, beside the library): one that loops,
  /// crashes, eats memory or takes for ever to compile is ended within about a second and not tried again. Where they
  /// can't be started, and on a device, candidates run in this process, with one warning on the CPU.
  bool isolate = true;
  /// Called at least once a second from the thread that constructs the session, in the library's floating-point
  /// environment (round to nearest, no flushing); false stops within 200 ms and keeps what was found.
  std::function<bool(const TuningProgress&)> progress;
};

struct CacheOptions {
  /// "" = $XDG_CACHE_HOME/altrt or ~/.cache/altrt; "none" = no files.
  std::string directory;
  /// Whether compiled code may be kept (bundles), not only decisions.
  bool objects = true;
};

enum class LogLevel : uint8_t { error, warning, info, debug };

struct SessionOptions {
  /// Where the session runs. cuda: Error(unavailable) says what is missing (libcuda.so.1, driver, device). automatic
  /// takes the CPU then, and logs why (info).
  Device device = Device::cpu;
  int device_number = -1;      ///< of the GPU, as CUDA counts them; -1 = ALTRT_CUDA_DEVICE in the environment, else 0
  int threads = 0;             ///< 0 = what affinity and the cgroup quota allow; on a device, for what is done at load
  int spin_microseconds = 50;  ///< how long idle threads of the team spin before they sleep
  CacheOptions cache;
  TuningOptions tuning;
  Numerics numerics = Numerics::standard;
  Memory memory = Memory::standard;
  Concurrency concurrency = Concurrency::share;
  std::string algorithm;                                ///< "" = all; "direct" leaves the others out
  std::vector<std::string> providers{"own", "onednn"};  ///< "own" is always there; the only one on a device
  std::map<std::string, Shape> input_shapes;            ///< fixes the shape of inputs by name
  std::map<std::string, int64_t> dimensions;            ///< fixes symbolic dimensions by name
  /// Operators of the user's own, beside the library's. Error(invalid_argument) where one is incomplete, is given twice
  /// or has the name of one of the library's. Copied: the functions live as long as the session and its plan.
  std::vector<CustomOperator> operators;
  /// Hand-made decisions by name of the group, as inspect(model, options, "groups") prints it; parse_decision reads
  /// scripts. They take the place of the default ones, and tuning and records leave them alone. Layouts of a group's
  /// inputs and outputs are what it reads and writes: where neighbours want others, the plan converts.
  /// Error(invalid_argument | unsupported) names group, step and reason where one can't be applied, and lists the
  /// groups where none has the name.
  std::map<std::string, GroupDecision> decisions;
  /// For inspect(): what code is shown for, on any machine. "avx2", "avx512", "neon", or a GPU's "sm_90" and the like;
  /// "" = this machine, or its device. A session refuses all but "".
  std::string arch;
  /// Receives log lines (without newline); from any thread, in the library's floating-point environment. Absent =
  /// nothing is printed anywhere.
  std::function<void(LogLevel, const std::string&)> log;
};

/// One kernel of the plan.
struct KernelInfo {
  std::string name;       ///< of the group
  std::string op;         ///< operators it covers, "Conv+Add+Relu"
  std::string provider;   ///< "own", "onednn", "host"
  std::string algorithm;  ///< "direct", "winograd4", ...
  std::string layout;     ///< of its first output
  int64_t flops = 0;      ///< of the direct form
  int64_t bytes = 0;      ///< read and written at least
  double tuned_ms = 0;    ///< as measured by the tuner in this start; 0 = not measured
  double untuned_ms = 0;  ///< the same with the decisions that the tuning began with
};

/// How the session came to be.
struct SessionInfo {
  double read_ms = 0, graph_ms = 0, cache_ms = 0, tune_ms = 0, compile_ms = 0;
  int kernels = 0;
  int kernels_compiled = 0;
  int64_t trials = 0;                      ///< made by this start
  double search_ms = 0;                    ///< of tune_ms: proposing candidates and learning from them
  bool from_bundle = false;                ///< code came from the cache, nothing was compiled
  std::vector<std::string> cache_reasons;  ///< why something was not taken from the cache
  std::string cache_directory;             ///< "" if none
  int threads = 0;
  Device device = Device::cpu;  ///< where it runs: cpu or cuda
  std::string device_name;      ///< "NVIDIA H100 80GB HBM3 (sm_90), driver 13.0"; "" on the CPU
  std::vector<KernelInfo> plan;
};

class Session;

/// One caller's bindings and scratch memory. Not thread-safe: one per thread, reusable for any number of runs; must not
/// outlive its Session's last copy only in that it keeps the plan alive itself. Movable.
class ALTRT_API Context {
 public:
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  ~Context();

  /// Binds an input or output to the caller's memory, which must stay valid for the runs that follow. Type and shape
  /// must equal the session's. Error(invalid_argument) names input or output, expected and given. A name that both an
  /// input and an output have means the input; that output lives in the context.
  ///
  /// On a device, views of its memory are used as they are; what lies in the host's is copied before and after each
  /// run, through memory of the context.
  void bind(const std::string& name, const TensorView& view);
  /// The tensor bound to an output, or the context's own one for an unbound output, in the host's memory (valid until
  /// the context dies).
  TensorView output(const std::string& name) const;

  /// For sessions on a device: the next runs are enqueued in the caller's stream (a cudaStream_t or CUstream of the
  /// device's primary context; null is CUDA's default stream), behind what is in it. Where every input and output is
  /// bound to device memory, run() returns without waiting for the end: the caller synchronises with the stream before
  /// he reads outputs, writes inputs or frees either, and hears there of what failed on the device. Else it waits as it
  /// does without this call; models with host operators wait in between. The stream must live until the context dies
  /// or is given another one; both wait for what the context has in it. Error(invalid_argument) on the CPU.
  void set_stream(void* cuda_stream);

  struct State;

 private:
  friend class Session;
  explicit Context(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A compiled model. All const calls are thread-safe. Copies share everything.
class ALTRT_API Session {
 public:
  /// Reads records and bundles, tunes within the budget (by default not at all), compiles. Symbolic dimensions must be
  /// fixed by `options` (Error(invalid_argument) names those left open).
  Session(const Model& model, const SessionOptions& options = {});
  ~Session();
  Session(const Session&);
  Session(Session&&) noexcept;
  Session& operator=(Session) noexcept;

  std::vector<ValueInfo> inputs() const;  ///< with all shapes fixed
  std::vector<ValueInfo> outputs() const;

  /// A fresh context. Allocates; keep it for many runs.
  Context context() const;
  /// Runs on the context's bindings. All inputs must be bound. In steady state takes no lock (with Concurrency::queue
  /// it waits for its turn), allocates nothing except in host operators, oneDNN and a device's driver, prints nothing.
  /// On a device all kernels are launched as one graph, or as one between any two host operators. An Error of the
  /// device (out_of_memory, internal) leaves the context fit for other runs; unavailable says that the device is lost
  /// to this process, and every later call will.
  void run(Context& context) const;
  /// Convenience: binds the inputs, runs in a context of its own, returns all outputs by name.
  std::map<std::string, Tensor> run(const std::map<std::string, TensorView>& inputs) const;

  /// Runs once and returns milliseconds per kernel, in plan order (as many as info().plan). On a device by its own
  /// clock, launch by launch, without the copies between host and device.
  std::vector<double> profile(Context& context) const;
  /// Memory for a tensor where the session runs, for hosts that have no allocator of their own there: on its device,
  /// aligned to 256 bytes, with contents left to chance; on the CPU in host memory. Freed with the last reference,
  /// which may outlive the session. Error(out_of_memory). To bind it: TensorView with device = info().device.
  std::shared_ptr<void> allocate(size_t bytes) const;
  /// Copies a tensor between host and device or within one of them; returns when it is done. Error(invalid_argument)
  /// unless types and shapes are equal.
  void copy(const TensorView& from, const TensorView& to) const;
  SessionInfo info() const;
  /// Text of a stage: "graph", "groups", "layouts", "nests", then "llvm" and "asm" (CPUs) or "cuda" (GPUs), "plan".
  /// Error(invalid_argument) lists the stages.
  std::string inspect(const std::string& stage) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// Text of a stage as a session with these options would make it without a cache: nothing is loaded, run or tuned, and
/// with `options.arch` no device is needed. The stages of Session::inspect but "plan". Errors as Session's.
ALTRT_API std::string inspect(const Model& model, const SessionOptions& options, const std::string& stage);

/// "0.1.0", and one line with commit, LLVM, oneDNN, NVRTC and target for bug reports.
ALTRT_API std::string version();
ALTRT_API std::string version_details();

/// The model's outputs by the reference evaluator: exact order of definition, slow, no JIT. Inputs by name.
/// `operators`: as in SessionOptions.
ALTRT_API std::map<std::string, Tensor> evaluate_reference(const Model& model,
                                                           const std::map<std::string, TensorView>& inputs,
                                                           const std::vector<CustomOperator>& operators = {});

}  // namespace altrt
