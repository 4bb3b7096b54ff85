#include "runtime/records/bundle.h"

#include <algorithm>
#include <utility>

#include "runtime/records/file.h"
#include "runtime/records/wire.h"

namespace altrt::records {
namespace {

constexpr int64_t kMaxWorkspace = int64_t{1} << 32;
constexpr int64_t kMaxTasks = int64_t{1} << 48;
constexpr int64_t kMaxThreads = 1024;

bool in_range(int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

bool fits(const jit::Reach& reach) {
  const auto within = [&](const jit::Interval& i) { return 0 <= i.lo && i.lo <= i.hi && i.hi < reach.extent; };
  return reach.dimension == -1 || (reach.dimension >= 0 && within(reach.first) && within(reach.last));
}

// Whether a kernel's loops are those of its tasks.
bool fit(const jit::CompiledKernel& kernel) {
  int64_t tasks = kernel.tasks;
  for (const jit::LoopReach& loop : kernel.loops) {
    if (loop.extent < 1 || tasks % loop.extent != 0 || loop.arguments.size() != kernel.arguments.size()) return false;
    if (!std::all_of(loop.arguments.begin(), loop.arguments.end(), fits)) return false;
    tasks /= loop.extent;
  }
  return kernel.loops.empty() || tasks == 1;
}

std::string contradiction(const jit::CompiledKernel& kernel) {
  const jit::KernelObject& object = kernel.object;
  // A provider's kernel is made anew by its library: it has neither bytes nor entry.
  if (object.name.empty() || (object.entry.empty() && !object.bytes.empty())) return "nameless code";
  if (object.bytes.empty() && !object.entry.empty()) return "no code for " + object.name;
  if (!in_range(object.workspace_bytes, 0, kMaxWorkspace)) return "workspace of " + object.name;
  if (!in_range(kernel.tasks, 0, kMaxTasks)) return "tasks of " + object.name;
  if (!in_range(object.threads, 0, kMaxThreads)) return "threads of " + object.name;
  if (kernel.arguments.empty() || kernel.arguments.size() != kernel.written.size()) {
    return "arguments of " + object.name;
  }
  if (!fit(kernel)) return "loops of " + object.name;
  if (*std::min_element(kernel.arguments.begin(), kernel.arguments.end()) < 0) return "arguments of " + object.name;
  return "";
}

wire::Reach write_reach(const jit::Reach& r) {
  return {r.dimension, r.extent, r.first.lo, r.first.hi, r.last.lo, r.last.hi, r.runs, r.bytes};
}

jit::Reach read_reach(const wire::Reach& r) {
  return {r.dimension(), r.extent(), {r.first_lo(), r.first_hi()}, {r.last_lo(), r.last_hi()}, r.runs(), r.bytes()};
}

flatbuffers::Offset<wire::Kernel> write_kernel(flatbuffers::FlatBufferBuilder& builder,
                                               const jit::CompiledKernel& kernel) {
  const auto name = builder.CreateString(kernel.object.name);
  const auto entry = builder.CreateString(kernel.object.entry);
  const auto bytes = builder.CreateVector(kernel.object.bytes);
  const auto arguments = builder.CreateVector(kernel.arguments);
  const auto written = builder.CreateVector(kernel.written);
  std::vector<flatbuffers::Offset<wire::Loop>> loops;
  for (const jit::LoopReach& loop : kernel.loops) {
    std::vector<wire::Reach> reaches;
    for (const jit::Reach& reach : loop.arguments) reaches.push_back(write_reach(reach));
    loops.push_back(wire::CreateLoop(builder, loop.extent, builder.CreateVectorOfStructs(reaches)));
  }
  return wire::CreateKernel(builder, name, entry, bytes, kernel.object.workspace_bytes, kernel.object.frame_bytes,
                            kernel.object.code_bytes, arguments, written, kernel.tasks, kernel.symbolic_size,
                            kernel.flops, kernel.constant, kernel.object.threads, builder.CreateVector(loops));
}

jit::CompiledKernel read_kernel(const wire::Kernel& table) {
  jit::CompiledKernel kernel;
  kernel.object.name = read(table.name());
  kernel.object.entry = read(table.entry());
  if (table.bytes()) kernel.object.bytes.assign(table.bytes()->begin(), table.bytes()->end());
  kernel.object.workspace_bytes = table.workspace_bytes();
  kernel.object.frame_bytes = table.frame_bytes();
  kernel.object.code_bytes = table.code_bytes();
  if (table.arguments()) kernel.arguments.assign(table.arguments()->begin(), table.arguments()->end());
  if (table.written()) {
    for (const uint8_t written : *table.written()) kernel.written.push_back(written != 0);
  }
  kernel.tasks = table.tasks();
  kernel.symbolic_size = table.symbolic_size();
  kernel.flops = table.flops();
  kernel.constant = table.constant();
  kernel.object.threads = table.threads();
  if (!table.loops()) return kernel;
  for (const wire::Loop* loop : *table.loops()) {
    jit::LoopReach& made = kernel.loops.emplace_back();
    made.extent = loop->extent();
    if (!loop->arguments()) continue;
    for (const wire::Reach* reach : *loop->arguments()) made.arguments.push_back(read_reach(*reach));
  }
  return kernel;
}

Bundle read_tables(const wire::Bundle& table) {
  Bundle bundle;
  if (table.groups()) {
    for (const wire::Group* group : *table.groups()) bundle.groups.push_back({group->code(), read(group->decision())});
  }
  if (table.code()) {
    for (const wire::Code* code : *table.code()) {
      Bundle::Code& made = bundle.code.emplace_back();
      made.source = code->source();
      made.computation = code->computation();
      if (!code->kernels()) continue;
      for (const wire::Kernel* kernel : *code->kernels()) made.kernels.push_back(read_kernel(*kernel));
    }
  }
  if (table.conversions()) {
    for (const wire::Conversion* conversion : *table.conversions()) {
      Bundle::Conversion& made = bundle.conversions.emplace_back();
      made.key = read(conversion->key());
      if (conversion->kernel()) made.kernel = read_kernel(*conversion->kernel());
    }
  }
  bundle.records = table.records();
  bundle.spent = read(table.spent());
  return bundle;
}

}  // namespace

std::string contradiction(const Bundle& bundle) {
  const auto codes = static_cast<int64_t>(bundle.code.size());
  const auto groups = static_cast<int64_t>(bundle.groups.size());
  for (const Bundle::Group& group : bundle.groups) {
    if (!in_range(group.code, -1, codes - 1)) return "number of a group's code";
    if ((group.code < 0) != group.decision.empty()) return "decision of a group";
  }
  for (int64_t c = 0; c < codes; ++c) {
    const Bundle::Code& code = bundle.code[static_cast<size_t>(c)];
    if (!in_range(code.source, 0, groups - 1)) return "source of code";
    if (bundle.groups[static_cast<size_t>(code.source)].code != c) return "source of code";
    for (const jit::CompiledKernel& kernel : code.kernels) {
      std::string trouble = contradiction(kernel);
      if (!trouble.empty()) return trouble;
    }
  }
  for (const Bundle::Conversion& conversion : bundle.conversions) {
    std::string trouble = contradiction(conversion.kernel);
    if (!trouble.empty()) return trouble;
  }
  if (!plausible(bundle.spent)) return "what was spent";
  return "";
}

ReadBundle read_bundle(const std::string& path, const Fingerprint& fingerprint) {
  ReadBundle result;
  const FileContent content = read_file(path, Kind::bundle, Trust::code);
  result.trouble = content.trouble;
  if (!content.file) return result;
  const auto* table = verified<wire::Bundle>(content.payload());
  if (!table) {
    result.trouble = "malformed";
    return result;
  }
  result.trouble = difference(read(table->fingerprint()), fingerprint);
  if (!result.trouble.empty()) return result;
  Bundle bundle = read_tables(*table);
  const std::string trouble = contradiction(bundle);
  if (trouble.empty()) {
    result.bundle = std::move(bundle);
  } else {
    result.trouble = "contradicts itself: " + trouble;
  }
  return result;
}

std::string write_bundle(const std::string& path, const Fingerprint& fingerprint, const Bundle& bundle) {
  const std::string trouble = contradiction(bundle);
  if (!trouble.empty()) return "contradicts itself: " + trouble;
  flatbuffers::FlatBufferBuilder builder(1 << 20);
  std::vector<flatbuffers::Offset<wire::Group>> groups;
  for (const Bundle::Group& group : bundle.groups) {
    groups.push_back(wire::CreateGroup(builder, group.code, builder.CreateSharedString(group.decision)));
  }
  std::vector<flatbuffers::Offset<wire::Code>> codes;
  for (const Bundle::Code& code : bundle.code) {
    std::vector<flatbuffers::Offset<wire::Kernel>> kernels;
    for (const jit::CompiledKernel& kernel : code.kernels) kernels.push_back(write_kernel(builder, kernel));
    codes.push_back(wire::CreateCode(builder, code.source, code.computation, builder.CreateVector(kernels)));
  }
  std::vector<flatbuffers::Offset<wire::Conversion>> conversions;
  for (const Bundle::Conversion& conversion : bundle.conversions) {
    const auto key = builder.CreateString(conversion.key);
    conversions.push_back(wire::CreateConversion(builder, key, write_kernel(builder, conversion.kernel)));
  }
  const wire::Spent spent = write(bundle.spent);
  const auto fields = write(builder, fingerprint);
  const auto groups_offset = builder.CreateVector(groups);
  const auto codes_offset = builder.CreateVector(codes);
  const auto conversions_offset = builder.CreateVector(conversions);
  builder.Finish(
      wire::CreateBundle(builder, fields, groups_offset, codes_offset, bundle.records, &spent, conversions_offset));
  return write_file(path, Kind::bundle, bytes_of(builder));
}

Fingerprint bundle_fingerprint(const std::string& path) {
  const FileContent content = read_file(path, Kind::bundle, Trust::data);
  const auto* table = content.file ? verified<wire::Bundle>(content.payload()) : nullptr;
  return table ? read(table->fingerprint()) : Fingerprint();
}

}  // namespace altrt::records
