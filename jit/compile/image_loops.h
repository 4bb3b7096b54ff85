// The loops of an anchor over images by the part they play in the templates, whatever the output's layout calls them.
// Internal to jit/compile.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "jit/compile/stage_loops.h"

namespace altrt::jit {

struct ImageLoops {
  LoopInfo batch;
  std::vector<LoopInfo> channels;  // of whole blocks of channels, outermost first; empty where they are not split
  LoopInfo vector;                 // within a block of channels, or of all
  std::vector<LoopInfo> tiles;     // over the layout's tiles of spatial dimensions
  std::vector<LoopInfo> lead;      // within a tile (or the image), of spatial dimensions before height
  LoopInfo height, width;
  bool has_height = false;
  std::vector<LoopInfo> reduce;
};

/// Whether the innermost physical dimension of the stage's output [N, C, spatial...] belongs to the channels.
bool has_channel_vectors(const Computation& c, const Stage& stage, const Layouts& layouts);

/// Whether reduction axis `axis` of an anchor runs over input channels (and not over kernel taps).
bool is_channel_axis(const Computation& c, const Stage& stage, const std::string& axis);

/// The loops of the stage. Where it writes a part of its output that doesn't consist of whole blocks or tiles, its
/// loops are its own axes; they are cut to match the layout by steps added to `s`.
ImageLoops image_loops(const Computation& c, const Stage& stage, const Layouts& layouts, StageSchedule& s);

/// Cuts a long vector loop into `columns` channels at a time (0 = not at all); over-computes behind its end where the
/// output's layout has room.
void cut_columns(const Computation& c, const Stage& stage, const Layouts& layouts, int64_t columns, ImageLoops& loops,
                 StageSchedule& s);

/// Splits a loop of the register tile; returns the outer loop ("" if the tile covers it) and the tile's loop.
std::pair<std::string, std::string> split_tile(const LoopInfo& loop, int64_t factor, Tail tail, StageSchedule& s);

}  // namespace altrt::jit
