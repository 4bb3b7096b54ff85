#include "jit/layout/stored.h"

#include <algorithm>
#include <optional>

#include <altrt/error.h>

#include "jit/layout/steps.h"

namespace altrt::jit {

namespace {

bool undoes(const LayoutStep& last, const LayoutStep& step) {
  return last.kind == LayoutKind::store_at && step.kind == LayoutKind::decouple_at && last.host == step.host &&
         last.dim == step.dim && last.factors == step.factors;
}

/// Without what decouple_at takes back.
Layout without_pairs(const Layout& layout) {
  Layout result;
  for (const LayoutStep& step : layout.steps) {
    if (!result.steps.empty() && undoes(result.steps.back(), step)) {
      result.steps.pop_back();
    } else {
      result.steps.push_back(step);
    }
  }
  return result;
}

bool is_stored(const Layout& layout) {
  return !layout.steps.empty() && layout.steps.back().kind == LayoutKind::store_at;
}

std::string text(const std::vector<Extent>& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + std::to_string(shape[i].bound);
  return result + "]";
}

[[noreturn]] void refuse(const std::string& tensor, const LayoutStep& step, const std::string& reason) {
  throw Error(ErrorCode::invalid_argument, "tensor " + tensor + ", " + to_string(step) + ": " + reason);
}

const char* name_of(Role role) {
  switch (role) {
    case Role::input:
      return "an input";
    case Role::constant:
      return "a constant";
    case Role::output:
      return "an output";
    case Role::intermediate:
      return "an intermediate";
  }
  return "?";
}

/// store_at may only end a list, and decouple_at may only undo it.
void check_places(const std::string& tensor, const Layout& layout) {
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    const LayoutStep& step = layout.steps[i];
    if (step.kind == LayoutKind::decouple_at) refuse(tensor, step, "there is no such store_at right before it");
    if (step.kind == LayoutKind::store_at && i + 1 < layout.steps.size())
      refuse(tensor, step, "only decouple_at may follow it");
  }
}

class Resolver {
 public:
  Resolver(const Computation& c, const std::map<std::string, Layout>& layouts) : c_(c) {
    result_.layouts = layouts;
    for (auto& [name, layout] : result_.layouts) {
      layout = without_pairs(layout);
      check_places(name, layout);
    }
    for (size_t t = 0; t < c.tensors.size(); ++t) result_.memory.push_back(static_cast<int>(t));
  }

  StoredLayouts run() {
    std::map<int, int> along;  // by host: the dimension along which tensors are stored
    for (size_t t = 0; t < c_.tensors.size(); ++t) {
      const int tensor = static_cast<int>(t);
      const Layout layout = result_.layout(c_, tensor);
      if (!is_stored(layout)) continue;
      const LayoutStep& step = layout.steps.back();
      const int host = c_.find_tensor(step.host);
      check_tensors(tensor, host, step);
      const auto [first, is_new] = along.emplace(host, step.dim);
      if (first->second != step.dim) {
        refuse(c_.tensors[t].name, step,
               step.host + " holds other tensors along dimension " + std::to_string(first->second));
      }
      check_shapes(tensor, host, layout);
      result_.memory[t] = host;
    }
    for (const auto& [host, dim] : along) grow(host, dim);
    return std::move(result_);
  }

 private:
  void check_tensors(int tensor, int host, const LayoutStep& step) const {
    const TensorDecl& source = c_.tensors[static_cast<size_t>(tensor)];
    if (host < 0) refuse(source.name, step, "there is no tensor " + step.host);
    if (host == tensor) refuse(source.name, step, "a tensor can't be stored at itself");
    const TensorDecl& decl = c_.tensors[static_cast<size_t>(host)];
    for (const TensorDecl* t : {&source, &decl}) {
      if (t->role == Role::constant) continue;
      refuse(source.name, step,
             t->name + " is " + name_of(t->role) + ": only constants are packed into one memory, when they are loaded");
    }
    if (is_stored(result_.layout(c_, host)))
      refuse(source.name, step, step.host + " is itself stored at another tensor");
    if (source.type != decl.type) {
      refuse(source.name, step,
             std::string("elements are ") + altrt::to_string(source.type) + ", those of " + step.host + " are " +
                 altrt::to_string(decl.type));
    }
    for (const TensorDecl* t : {&source, &decl}) {
      for (const Extent& extent : t->shape) {
        if (extent.is_symbolic()) refuse(source.name, step, t->name + " has a run-time extent");
      }
    }
  }

  void check_shapes(int tensor, int host, const Layout& layout) const {
    const TensorDecl& source = c_.tensors[static_cast<size_t>(tensor)];
    const LayoutStep& step = layout.steps.back();
    Layout own = layout;
    own.steps.pop_back();
    const std::vector<Extent> shape = physical_shape(own, source.shape);
    std::vector<Extent> wanted = physical_shape(result_.layout(c_, host), c_.tensors[static_cast<size_t>(host)].shape);
    const auto rank = static_cast<int>(wanted.size());
    if (step.dim < 0 || step.dim >= rank) {
      refuse(source.name, step,
             step.host + " has no dimension " + std::to_string(step.dim) + " in its layout, " + text(wanted));
    }
    const std::string host_text = text(wanted);
    wanted.erase(wanted.begin() + step.dim);
    if (shape != wanted) {
      refuse(source.name, step,
             "its shape is " + text(shape) + ", not that of " + step.host + ", " + host_text + ", without dimension " +
                 std::to_string(step.dim));
    }
  }

  /// Gives the sources of a host their indices, and the host room for them.
  void grow(int host, int dim) {
    const TensorDecl& decl = c_.tensors[static_cast<size_t>(host)];
    Layout& layout = result_.layouts[decl.name];
    const int64_t own = physical_shape(layout, decl.shape)[static_cast<size_t>(dim)].bound;
    const std::vector<int> sources = result_.sources(host);
    const auto count = static_cast<int64_t>(sources.size());
    for (int64_t i = 0; i < count; ++i) {
      const std::string& name = c_.tensors[static_cast<size_t>(sources[static_cast<size_t>(i)])].name;
      LayoutStep& step = result_.layouts[name].steps.back();
      const std::vector<int64_t> place{own + i, own + count};
      if (!step.factors.empty() && step.factors != place) {
        refuse(name, step,
               "its place is index " + std::to_string(place[0]) + " of an extent of " + std::to_string(place[1]));
      }
      step.factors = place;
    }
    layout.pad(dim, 0, count, std::nullopt);
  }

  const Computation& c_;
  StoredLayouts result_;
};

}  // namespace

std::vector<int> StoredLayouts::sources(int host) const {
  std::vector<int> found;
  for (size_t t = 0; t < memory.size(); ++t) {
    if (memory[t] == host && static_cast<int>(t) != host) found.push_back(static_cast<int>(t));
  }
  return found;
}

Layout StoredLayouts::layout(const Computation& c, int tensor) const {
  const auto found = layouts.find(c.tensors[static_cast<size_t>(tensor)].name);
  return found == layouts.end() ? Layout{} : found->second;
}

StoredLayouts resolve_store_at(const Computation& c, const std::map<std::string, Layout>& layouts) {
  return Resolver(c, layouts).run();
}

}  // namespace altrt::jit
