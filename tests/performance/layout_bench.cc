// The default decision of each family of layouts for one operator, single kernels without conversions: medians of
// alternating runs, GFLOP/s and the fraction of the fused-multiply-add peak.
//
//   layout_bench conv  N C SPATIAL O KERNEL [STRIDE PAD DILATION GROUPS]     SPATIAL, KERNEL: 56x56, 3x3
//   layout_bench tconv N C SPATIAL O KERNEL [STRIDE PAD]
//   layout_bench pool  N C SPATIAL KERNEL [STRIDE PAD]
//   layout_bench matmul M K N
//   options: --threads T, --rounds R, --family TEXT (only those whose name holds it), --tile HxW, --block B,
//            --show nests|asm|decision, --set NAME=VALUE,... (parameters of the template other than by default)
#include <ctime>

#include <cstdio>
#include <map>
#include <sstream>

#include "jit/compile/templates.h"
#include "tests/performance/group_bench.h"
#include "tests/performance/peak.h"

namespace {

using namespace altrt;
using jit::Computation;
using jit::GroupDecision;
using jit::Layout;
using jit::Target;

using Ints = std::vector<int64_t>;

Ints numbers(const std::string& text) {
  Ints values;
  std::istringstream in(text);
  std::string part;
  while (std::getline(in, part, 'x')) values.push_back(std::stoll(part));
  return values;
}

struct Options {
  int threads = 1, rounds = 31;
  std::string family, show;
  std::map<std::string, int64_t> set;
  Ints tile;
  int64_t block = 0;
  std::vector<std::string> words;

  int64_t number(size_t i, int64_t otherwise) const { return i < words.size() ? std::stoll(words[i]) : otherwise; }
};

struct Family {
  std::string name;
  GroupDecision decision;
};

double flops_of(const Computation& c) {
  double flops = 0;
  for (const jit::Stage& stage : c.stages) flops += static_cast<double>(jit::stage_flops(stage));
  return flops;
}

Computation convolution(const Options& o, bool transposed) {
  const Ints spatial = numbers(o.words[3]), kernel = numbers(o.words[5]);
  const int64_t n = o.number(1, 1), channels = o.number(2, 1), outputs = o.number(4, 1), groups = o.number(9, 1);
  Shape x{n, channels}, w = transposed ? Shape{channels, outputs} : Shape{outputs, channels / groups};
  x.insert(x.end(), spatial.begin(), spatial.end());
  w.insert(w.end(), kernel.begin(), kernel.end());
  GraphBuilder b("bench");
  b.input("x", DataType::f32, x);
  b.constant("w", performance::random_tensor(w, 1, 0.05f));
  b.constant("bias", performance::random_tensor({outputs}, 2, 0.1f));
  const size_t rank = spatial.size();
  b.output(b.op(transposed ? "ConvTranspose" : "Conv", {"x", "w", "bias"},
                {{"strides", Ints(rank, o.number(6, 1))},
                 {"pads", Ints(2 * rank, o.number(7, 0))},
                 {"dilations", Ints(rank, o.number(8, 1))},
                 {"group", groups}}));
  return performance::one_group(b.build());
}

Computation pool(const Options& o) {
  const Ints spatial = numbers(o.words[3]), kernel = numbers(o.words[4]);
  Shape x{o.number(1, 1), o.number(2, 1)};
  x.insert(x.end(), spatial.begin(), spatial.end());
  GraphBuilder b("bench");
  b.input("x", DataType::f32, x);
  const size_t rank = spatial.size();
  b.output(b.op(
      "MaxPool", {"x"},
      {{"kernel_shape", kernel}, {"strides", Ints(rank, o.number(5, 1))}, {"pads", Ints(2 * rank, o.number(6, 0))}}));
  return performance::one_group(b.build());
}

Computation matmul(const Options& o) {
  GraphBuilder b("bench");
  b.input("x", DataType::f32, {o.number(1, 1), o.number(2, 1)});
  b.constant("w", performance::random_tensor({o.number(2, 1), o.number(3, 1)}, 1, 0.05f));
  b.output(b.op("MatMul", {"x", "w"}));
  return performance::one_group(b.build());
}

void change(const std::map<std::string, int64_t>& set, const std::map<std::string, int64_t*>& numbers,
            const std::map<std::string, bool*>& flags) {
  for (const auto& [name, value] : set) {
    if (const auto found = numbers.find(name); found != numbers.end()) *found->second = value;
    if (const auto found = flags.find(name); found != flags.end()) *found->second = value != 0;
  }
}

/// The default schedule for given layouts, with what the options set.
GroupDecision decide(const Computation& c, jit::Layouts layouts, const Options& o, const Target& target) {
  GroupDecision decision;
  decision.algorithm = jit::default_algorithm(c);
  const Computation changed = jit::apply_algorithm(c, decision.algorithm);
  decision.layouts = jit::default_layouts(changed, target, layouts);
  decision.schedule = jit::default_schedule(changed, decision.layouts, target);
  if (o.set.empty()) return decision;
  const std::string weights =
      c.anchor.weights >= 0 ? c.tensors[static_cast<size_t>(c.anchor.weights)].name : std::string();
  const bool packs = !weights.empty() && !layouts.count(weights);
  const jit::Stage& anchor = changed.stages[static_cast<size_t>(changed.anchor.stage)];
  if (jit::has_matmul_template(changed, decision.layouts)) {
    jit::MatmulParameters p = jit::default_matmul(changed, decision.layouts, target);
    change(o.set,
           {{"rows", &p.rows},
            {"columns", &p.columns},
            {"unroll", &p.unroll},
            {"blocks", &p.blocks},
            {"cache_rows", &p.cache_rows},
            {"cache_columns", &p.cache_columns},
            {"chunk", &p.chunk}},
           {{"rows_first", &p.rows_first}});
    if (packs) decision.layouts[weights] = jit::matmul_weights(changed, p.columns);
    decision.schedule[anchor.name] = jit::schedule_matmul(changed, decision.layouts, p);
  } else if (jit::has_pixel_template(changed, decision.layouts)) {
    jit::PixelParameters p = jit::default_pixels(changed, decision.layouts, target);
    change(o.set, {{"channels", &p.channels}, {"height", &p.height}, {"vectors", &p.vectors}, {"unroll", &p.unroll}},
           {{"unroll_taps", &p.unroll_taps},
            {"taps_inside", &p.taps_inside},
            {"rows_first", &p.rows_first},
            {"pack", &p.pack}});
    if (packs) decision.layouts[weights] = jit::packed_weights(changed, p);
    decision.schedule[anchor.name] = jit::schedule_pixels(changed, decision.layouts, p, target);
  } else if (jit::is_dense_conv(changed)) {
    jit::ConvParameters p = jit::default_conv(changed, decision.layouts, target);
    change(o.set,
           {{"height", &p.height},
            {"width", &p.width},
            {"blocks", &p.blocks},
            {"unroll", &p.unroll},
            {"columns", &p.columns},
            {"cache_channels", &p.cache_channels},
            {"cache_rows", &p.cache_rows},
            {"chunk", &p.chunk},
            {"parallel", &p.parallel}},
           {{"taps_inside", &p.taps_inside},
            {"rows_first", &p.rows_first},
            {"tiles_first", &p.tiles_first},
            {"unroll_taps", &p.unroll_taps}});
    if (packs) decision.layouts[weights] = jit::packed_weights(changed, decision.layouts, p);
    for (const int number : jit::anchor_stages(changed)) {
      const jit::Stage& stage = changed.stages[static_cast<size_t>(number)];
      if (!stage.reduce.empty())
        decision.schedule[stage.name] = jit::schedule_conv(changed, stage, decision.layouts, p);
    }
  } else {
    jit::WindowParameters p = jit::default_window(changed, decision.layouts, target);
    change(o.set, {{"width", &p.width}, {"columns", &p.columns}, {"height", &p.height}},
           {{"unroll_taps", &p.unroll_taps}, {"rows_first", &p.rows_first}});
    if (packs) decision.layouts[weights] = jit::packed_weights(changed, decision.layouts, p);
    decision.schedule[anchor.name] = jit::schedule_window(changed, decision.layouts, p);
  }
  return decision;
}

std::vector<Family> image_families(const Computation& c, const Options& o, const Target& target) {
  const auto& in = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
  const auto& out = c.tensors[static_cast<size_t>(c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0])].shape;
  const jit::Borders borders = jit::read_borders(c);
  std::vector<Family> families;
  const auto add = [&](const std::string& name, const Layout& data, const Layout& output) {
    families.push_back({name, decide(c, jit::anchor_layouts(c, data, output), o, target)});
  };
  for (const int64_t block : {int64_t{16}, int64_t{8}, int64_t{32}})
    add("blocked " + std::to_string(block), jit::blocked(in, block, borders), jit::blocked(out, block));
  if (o.block > 0)
    add("blocked " + std::to_string(o.block), jit::blocked(in, o.block, borders), jit::blocked(out, o.block));
  const Layout nhwc = jit::channels_last(in, borders);
  add("channels last, packed", nhwc, jit::channels_last(out));
  if (c.anchor.weights >= 0) {
    const std::string& weights = c.tensors[static_cast<size_t>(c.anchor.weights)].name;
    jit::Layouts layouts = jit::anchor_layouts(c, nhwc, jit::channels_last(out));
    layouts[weights] = jit::plain_weights(c);
    families.push_back({"channels last, plain", decide(c, layouts, o, target)});
  }
  if (c.anchor.kind != jit::AnchorKind::conv_transpose) {
    add("plain", Layout(), Layout());
    add("plain, borders", jit::blocked(in, 1, borders), Layout());
  }
  add("channels last, padded", jit::channels_last(in, borders, 16), jit::channels_last(out, {}, 16));
  const auto add_tiled = [&](const Ints& tile, int64_t block) {
    std::string name = "tiled";
    for (const int64_t t : tile) name += " " + std::to_string(t);
    try {
      add(name + " by " + std::to_string(block), jit::unfolded(c, tile, block), jit::tiled(out, tile, block));
    } catch (const Error& e) {
      std::printf("%s: %s\n", name.c_str(), e.what());
    }
  };
  Ints square, rows;
  for (size_t i = 2; i < out.size(); ++i) {
    square.push_back(std::min<int64_t>(out[i].bound, 14));
    rows.push_back(i + 1 == out.size() ? 0 : std::min<int64_t>(out[i].bound, 8));
  }
  const int64_t block = o.block > 0 ? o.block : 16;
  add_tiled(square, block);
  add_tiled(rows, block);
  if (!o.tile.empty()) add_tiled(o.tile, block);
  return families;
}

std::vector<Family> matmul_families(const Computation& c, const Options& o, const Target& target) {
  const std::string a = c.tensors[static_cast<size_t>(c.anchor.data)].name;
  const std::string b = c.tensors[static_cast<size_t>(c.anchor.weights)].name;
  const jit::TensorDecl& out = c.tensors[static_cast<size_t>(c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0])];
  const auto& as = c.tensors[static_cast<size_t>(c.anchor.data)].shape;
  const auto& bs = c.tensors[static_cast<size_t>(c.anchor.weights)].shape;
  std::vector<Family> families;
  families.push_back({"row-major, panels", decide(c, {}, o, target)});
  families.push_back({"padded rows, panels", decide(c, {{a, jit::padded_rows(as, 16)}}, o, target)});
  families.push_back({"row-major, plain", decide(c, {{b, Layout()}}, o, target)});
  const Ints tile =
      o.tile.empty() ? Ints{std::min<int64_t>(14, as[0].bound), 32, std::min<int64_t>(64, as[1].bound)} : o.tile;
  families.push_back(
      {"tiled " + std::to_string(tile[0]) + " " + std::to_string(tile[1]) + " " + std::to_string(tile[2]),
       decide(c,
              {{a, jit::tiled_matrix(as, tile[0], tile[2])},
               {b, jit::tiled_matrix(bs, tile[2], tile[1], 0.0)},
               {out.name, jit::tiled_matrix(out.shape, tile[0], tile[1])}},
              o, target)});
  return families;
}

/// Seconds: of this thread's processor time where it works alone, so that others on the machine count little.
double now(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Row {
  std::string name;
  std::unique_ptr<performance::GroupBench> bench;
  std::vector<double> times;
  double error = 0;
};

int run(const Options& o) {
  const Target target = jit::host_target();
  const std::string& kind = o.words.at(0);
  const Computation c = kind == "pool" ? pool(o) : kind == "matmul" ? matmul(o) : convolution(o, kind == "tconv");
  const double flops = flops_of(jit::apply_algorithm(c, jit::default_algorithm(c)));
  std::vector<Row> rows;
  for (const Family& f : kind == "matmul" ? matmul_families(c, o, target) : image_families(c, o, target)) {
    if (f.name.find(o.family) == std::string::npos) continue;
    if (o.show == "decision") std::fputs((f.name + "\n" + to_string(f.decision)).c_str(), stdout);
    if (o.show == "nests" || o.show == "asm") std::fputs(jit::inspect(c, f.decision, target, o.show).c_str(), stdout);
    try {
      rows.push_back({f.name, std::make_unique<performance::GroupBench>(c, f.decision, target), {}, 0});
    } catch (const Error& e) {
      std::printf("%s: %s\n", f.name.c_str(), e.what());
    }
  }
  base::Team team(o.threads);
  for (Row& row : rows) {
    row.bench->run(&team);
    row.error = row.bench->distance(rows[0].bench->outputs());
  }
  double peak = 0;
  constexpr double kRoundSeconds = 0.005;
  for (int round = 0; round < o.rounds; ++round) {
    if (round % 5 == 0) peak = std::max(peak, performance::fma_peak_gflops(target.lanes));
    for (Row& row : rows) {
      row.bench->run(&team);
      const double start = now(o.threads);
      double time = 0;
      int runs = 0;
      do {
        row.bench->run(&team);
        ++runs;
        time = now(o.threads) - start;
      } while (time < kRoundSeconds);
      row.times.push_back(time / runs);
    }
  }
  peak *= o.threads;
  std::printf("%.3f GFLOP, peak %.1f GFLOP/s\n", flops / 1e9, peak);
  const std::vector<double> first = rows.empty() ? std::vector<double>() : rows[0].times;
  for (Row& row : rows) {
    // Each round by itself, so that what slows a round down as a whole drops out.
    std::vector<double> ratios;
    for (size_t i = 0; i < first.size(); ++i) ratios.push_back(first[i] / row.times[i]);
    std::sort(ratios.begin(), ratios.end());
    std::sort(row.times.begin(), row.times.end());
    const double median = row.times[row.times.size() / 2];
    int64_t frame = 0;
    for (const jit::CompiledKernel& k : row.bench->group().kernels) frame = std::max(frame, k.object.frame_bytes);
    std::printf(
        "%-28s %8.3f ms (min %8.3f) %7.1f GFLOP/s %5.1f %% of peak, %.2f x the first, frame %lld, differs by %.0e\n",
        row.name.c_str(), median * 1e3, row.times[0] * 1e3, flops / median / 1e9, flops / median / 1e7 / peak,
        ratios[ratios.size() / 2], static_cast<long long>(frame), row.error);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto next = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (word == "--threads") {
      o.threads = std::stoi(next());
    } else if (word == "--rounds") {
      o.rounds = std::stoi(next());
    } else if (word == "--family") {
      o.family = next();
    } else if (word == "--show") {
      o.show = next();
    } else if (word == "--set") {
      std::istringstream in(next());
      for (std::string part; std::getline(in, part, ',');) {
        const size_t assign = part.find('=');
        if (assign != std::string::npos) o.set[part.substr(0, assign)] = std::stoll(part.substr(assign + 1));
      }
    } else if (word == "--tile") {
      o.tile = numbers(next());
    } else if (word == "--block") {
      o.block = std::stoll(next());
    } else {
      o.words.push_back(word);
    }
  }
  if (o.words.size() < 4) {
    std::fputs("usage: layout_bench conv|tconv|pool|matmul SHAPE... (see layout_bench.cc)\n", stderr);
    return 2;
  }
  return run(o);
}
