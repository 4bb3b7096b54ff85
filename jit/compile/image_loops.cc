#include "jit/compile/image_loops.h"

#include <algorithm>
#include <map>

#include "jit/loop/loops.h"

namespace altrt::jit {

namespace {

const Layout& output_layout(const Computation& c, const Stage& stage, const Layouts& layouts) {
  return layout_of(c, stage.outputs[0], layouts);
}

/// A digit of an axis, as a loop.
struct DigitLoop {
  LoopInfo loop;
  PhysicalDim dim;
};

bool follows_layout(const std::vector<LoopInfo>& spatial, const std::vector<std::string>& names) {
  if (spatial.size() != names.size()) return false;
  for (size_t i = 0; i < names.size(); ++i)
    if (spatial[i].name != names[i]) return false;
  return true;
}

// How far apart outputs of neighbouring points along axis `i` lie.
int64_t store_step(const Stage& stage, size_t i) {
  const int64_t step = linear_form(stage.store[i]).coefficient(stage.axes[i].name);
  return std::max<int64_t>(step, 1);
}

// The factors by which a layout cuts each dimension, innermost digit.
std::map<int, int64_t> tile_factors(const Layout& layout, const std::vector<Extent>& shape,
                                    const std::vector<PhysicalDim>& dims) {
  const std::vector<Extent> physical = physical_shape(layout, shape);
  std::map<int, int> digits;
  for (const PhysicalDim& d : dims) ++digits[d.dim];
  std::map<int, int64_t> factors;
  for (size_t p = 0; p < dims.size(); ++p)
    if (dims[p].innermost && dims[p].dim >= 0 && digits[dims[p].dim] > 1) factors[dims[p].dim] = physical[p].bound;
  return factors;
}

// The stage's own axes, cut where the layout cuts them so that points of one block or tile stay together.
std::vector<DigitLoop> cut_axes(const Computation& c, const Stage& stage, const Layouts& layouts,
                                const std::vector<LoopInfo>& spatial, StageSchedule& s) {
  const Layout& layout = output_layout(c, stage, layouts);
  const std::vector<Extent>& shape = c.tensors[static_cast<size_t>(stage.outputs[0])].shape;
  const std::map<int, int64_t> factors = tile_factors(layout, shape, physical_dims(layout, shape.size()));
  std::vector<DigitLoop> digits;
  for (size_t i = 0; i < spatial.size(); ++i) {
    const LoopInfo& loop = spatial[i];
    const int dim = static_cast<int>(i);
    const auto found = factors.find(dim);
    const int64_t step = store_step(stage, i);
    const bool cuts = found != factors.end() && found->second % step == 0 && found->second / step < loop.extent &&
                      found->second > step && !loop.symbolic;
    if (!cuts) {
      digits.push_back({loop, {dim, true}});
      continue;
    }
    const int64_t factor = found->second / step;
    s.split(loop.name, factor, Tail::peel);
    digits.push_back({{loop.name + ".0", ceil_div(loop.extent, factor), false, false}, {dim, false}});
    digits.push_back({{loop.name + ".1", factor, false, false, loop.extent % factor != 0}, {dim, true}});
  }
  return digits;
}

}  // namespace

bool has_channel_vectors(const Computation& c, const Stage& stage, const Layouts& layouts) {
  const size_t rank = stage.axes.size();
  if (rank < 3 || c.tensors[static_cast<size_t>(stage.outputs[0])].shape.size() != rank) return false;
  const std::vector<PhysicalDim> dims = physical_dims(output_layout(c, stage, layouts), rank);
  return dims.back().dim == 1 && dims.back().innermost &&
         std::all_of(dims.begin(), dims.end(), [](const PhysicalDim& d) { return d.dim >= 0; });
}

bool is_channel_axis(const Computation& c, const Stage& stage, const std::string& axis) {
  const auto channels = static_cast<size_t>(1 - weight_outputs(c.anchor));
  for (const Expr& e : stage_accesses(stage)) {
    if (e->id == c.anchor.weights && e->args.size() > 1) return uses_variable(e->args[channels], axis);
  }
  return false;
}

ImageLoops image_loops(const Computation& c, const Stage& stage, const Layouts& layouts, StageSchedule& s) {
  ImageLoops loops;
  std::vector<LoopInfo> spatial;
  for (const LoopInfo& loop : stage_loops(c, stage, layouts)) (loop.reduce ? loops.reduce : spatial).push_back(loop);
  std::vector<std::string> axes;
  for (const Axis& axis : stage.axes) axes.push_back(axis.name);
  const Layout& layout = output_layout(c, stage, layouts);
  std::vector<DigitLoop> digits;
  if (follows_layout(spatial, physical_names(layout, axes))) {
    const std::vector<PhysicalDim> dims = physical_dims(layout, axes.size());
    for (size_t i = 0; i < dims.size(); ++i) digits.push_back({spatial[i], dims[i]});
  } else {
    digits = cut_axes(c, stage, layouts, spatial, s);
  }
  const int rank = static_cast<int>(axes.size());
  loops.has_height = rank >= 4;
  for (const auto& [loop, dim] : digits) {
    if (dim.dim == 0 && dim.innermost) {
      loops.batch = loop;
    } else if (dim.dim == 1) {
      (dim.innermost ? loops.vector : loops.channels.emplace_back()) = loop;
    } else if (!dim.innermost) {
      loops.tiles.push_back(loop);
    } else if (dim.dim == rank - 1) {
      loops.width = loop;
    } else if (dim.dim == rank - 2) {
      loops.height = loop;
    } else {
      loops.lead.push_back(loop);
    }
  }
  return loops;
}

void cut_columns(const Computation& c, const Stage& stage, const Layouts& layouts, int64_t columns, ImageLoops& loops,
                 StageSchedule& s) {
  LoopInfo& vector = loops.vector;
  if (columns <= 0 || columns >= vector.extent) return;
  Tail tail = Tail::peel;
  if (const int64_t rest = vector.extent % columns) {
    const Region whole{{}, c.tensors[static_cast<size_t>(stage.outputs[0])].shape};
    const StageLoops initial = build_loops(c, stage, output_layout(c, stage, layouts), whole, false, {});
    const auto room = initial.writable_past.find(vector.name);
    if (room != initial.writable_past.end() && room->second >= columns - rest) tail = Tail::pad;
  }
  s.split(vector.name, columns, tail);
  loops.channels.push_back({vector.name + ".0", ceil_div(vector.extent, columns), false, false});
  vector = {vector.name + ".1", columns, false, false};
}

std::pair<std::string, std::string> split_tile(const LoopInfo& loop, int64_t factor, Tail tail, StageSchedule& s) {
  if (factor >= loop.extent) return {"", loop.name};
  s.split(loop.name, factor, tail);
  return {loop.name + ".0", loop.name + ".1"};
}

}  // namespace altrt::jit
