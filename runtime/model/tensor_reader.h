// TensorProto and element types.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <altrt/tensor.h>

#include "runtime/model/external_data.h"
#include "runtime/model/read_context.h"

namespace altrt::model {

/// The type for a TensorProto.DataType; nullopt for one that libaltrt lacks.
std::optional<DataType> data_type_of(int64_t element_type);
int64_t element_type_of(DataType type);
/// "float16", or "element type 77" for a number that names none.
std::string element_type_name(int64_t element_type);

struct NamedTensor {
  std::string_view name;               // points into the bytes read
  std::shared_ptr<const Tensor> data;  // null if the context got an unsupported() instead
};

/// Reads a TensorProto. Sizes are checked against the bytes that are there before memory is allocated. `external` may
/// be null: then external data is refused.
NamedTensor read_tensor(std::string_view bytes, ReadContext& context, ExternalData* external);

}  // namespace altrt::model
