// Between values and their tables. Internal to runtime/records.
#pragma once

#include <records_generated.h>

#include <span>
#include <string>
#include <vector>

#include "runtime/records/fingerprint.h"
#include "runtime/records/store.h"

namespace altrt::records {

using FingerprintTable = flatbuffers::Vector<flatbuffers::Offset<wire::Field>>;

flatbuffers::Offset<FingerprintTable> write(flatbuffers::FlatBufferBuilder& builder, const Fingerprint& fingerprint);
flatbuffers::Offset<wire::Where> write(flatbuffers::FlatBufferBuilder& builder, const Where& where);

wire::Spent write(const Spent& spent);

/// Absent tables and strings read as empty ones.
Fingerprint read(const FingerprintTable* table);
Where read(const wire::Where* table);
Spent read(const wire::Spent* spent);
std::string read(const flatbuffers::String* text);

/// The root table of a payload; null if the bytes do not verify.
template <typename Table>
const Table* verified(std::span<const uint8_t> payload) {
  if (payload.empty()) return nullptr;
  flatbuffers::Verifier verifier(payload.data(), payload.size());
  return verifier.VerifyBuffer<Table>(nullptr) ? flatbuffers::GetRoot<Table>(payload.data()) : nullptr;
}

inline std::span<const uint8_t> bytes_of(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetSize()};
}

}  // namespace altrt::records
