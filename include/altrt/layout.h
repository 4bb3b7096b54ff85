// Layouts (ALT's first half): how a tensor's logical elements lie in memory, as a list of primitives applied to its
// logical dimensions. Values without locks that don't know the shape: every function takes the logical shape beside it,
// is pure and may be called from any thread. The memory is the row-major array of the physical shape, in elements.
// Nothing is checked before verify(), or before a layout is put to use (nests, run, a session). Then it must keep every
// element: an unpad may take away only what a pad has put there, a fold only what an unfold has copied. Source: ALT
// (EuroSys'23, arXiv 2210.12415), section 4; the index formulas are spelled out at each primitive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <altrt/computation.h>
#include <altrt/export.h>

namespace altrt {

enum class LayoutKind : uint8_t {
  split,     // dim -> factors F_1..F_m (product = extent; F_1 = 0 is inferred); e becomes, for each j,
             // floor(e / (F_{j+1}..F_m)) mod F_j
  reorder,   // physical dims permuted: new dim i = old dim perm[i]
  fuse,      // dims [dim, dim + count) -> one; e becomes sum of e_j * (extents after j)
  unfold,    // dim -> (tiles, tile size B), stride S <= B: t = floor(window start / S), b = e - t*S; halo elements are
             // stored more than once
  pad,       // dim grows by lo + hi; e becomes e + lo
  fold,      // inverse of unfold: dims (tiles, B) -> the original extent; copies of an element are taken to be equal
  unpad,     // inverse of pad: dim shrinks by lo + hi; e becomes e - lo
  store_at,  // constants: the tensor lies in another one's memory: a dimension is put before `dim`, in which its index
             // is constant, behind what lies there already
  decouple_at  // inverse of store_at: what lies there at the constant index alone, without the dimension
};

struct ALTRT_API LayoutStep {
  LayoutKind kind = LayoutKind::reorder;
  int dim = 0;                   // physical dimension at this point of the list (the first of them for fuse and fold)
  std::vector<int64_t> factors;  // split: factors; reorder: the permutation; fuse: {count}; unfold: {B, S};
                                 // fold: {B, S, original extent}; store_at, decouple_at: {index, extent of the
                                 // dimension}, or none: the host's extent and the next free index
  int64_t lo = 0, hi = 0;        // pad, unpad
  std::optional<double> fill;    // pad: what the padding holds (not NaN); absent = anything (but finite): written by
                                 // over-computing
  std::string host = {};         // store_at, decouple_at: the tensor whose memory it is

  bool operator==(const LayoutStep&) const = default;
};

struct ALTRT_API Layout {
  std::vector<LayoutStep> steps;  // empty = row-major logical order; each function appends one

  Layout& split(int dim, std::vector<int64_t> factors);
  Layout& reorder(std::vector<int64_t> permutation);
  Layout& fuse(int dim, int count);
  Layout& unfold(int dim, int64_t tile, int64_t stride);
  Layout& fold(int dim, int64_t tile, int64_t stride, int64_t extent);
  Layout& pad(int dim, int64_t lo, int64_t hi, std::optional<double> fill);
  Layout& unpad(int dim, int64_t lo, int64_t hi);
  Layout& store_at(std::string host, int dim, std::vector<int64_t> index_and_extent = {});
  Layout& decouple_at(std::string host, int dim, std::vector<int64_t> index_and_extent = {});

  bool is_plain() const { return steps.empty(); }
  /// Whether any padding holds a defined value: then whoever owns the storage writes it once (fill_padding) and nobody
  /// overwrites it.
  bool has_filled_padding() const;
  bool operator==(const Layout&) const = default;
};

/// "pad(2, 1, 1, 0)"
ALTRT_API std::string to_string(const LayoutStep& step);
/// "split(1, 0x16) reorder(0,1,3,4,2) pad(2, 1, 1, 0)"; parse_layout reads it back (Error(invalid_argument) on
/// nonsense).
ALTRT_API std::string to_string(const Layout& layout);
ALTRT_API Layout parse_layout(const std::string& text);
ALTRT_API uint64_t hash(const Layout& layout);

/// Checks every primitive's precondition against the shape. Error(invalid_argument) names the step and the reason.
ALTRT_API void verify(const Layout& layout, const std::vector<Extent>& shape);
ALTRT_API std::vector<Extent> physical_shape(const Layout& layout, const std::vector<Extent>& shape);
/// Product of the physical extents, symbolic ones at their bound.
ALTRT_API int64_t physical_elements(const Layout& layout, const std::vector<Extent>& shape);
/// Names of the physical dimensions: split of "o" gives "o.0", "o.1", ... (one factor: "o"); fuse of "h", "w" gives
/// "h*w"; unfold of "h" gives "h.t", "h.b", and fold takes them back to "h"; store_at adds the host's name.
ALTRT_API std::vector<std::string> physical_names(const Layout& layout, const std::vector<std::string>& names);
/// The list of inverse primitives, applied to the physical shape: L followed by inverse(L) leaves every element where
/// it was. What a fold, unpad or decouple_at in L has dropped does not come back.
ALTRT_API Layout inverse(const Layout& layout, const std::vector<Extent>& shape);

}  // namespace altrt
