// AttributeProto.
#pragma once

#include <string_view>

#include "runtime/model/read_context.h"
#include "runtime/ops/op.h"

namespace altrt::model {

/// Reads one attribute into `attributes`. Subgraphs and other kinds that libaltrt lacks are reported to
/// context.unsupported.
void read_attribute(std::string_view bytes, ReadContext& context, ops::NodeAttributes& attributes);

}  // namespace altrt::model
