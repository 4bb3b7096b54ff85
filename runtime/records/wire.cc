#include "runtime/records/wire.h"

namespace altrt::records {

flatbuffers::Offset<FingerprintTable> write(flatbuffers::FlatBufferBuilder& builder, const Fingerprint& fingerprint) {
  std::vector<flatbuffers::Offset<wire::Field>> fields;
  for (const auto& [name, value] : fingerprint) {
    const auto name_offset = builder.CreateString(name);
    fields.push_back(wire::CreateField(builder, name_offset, builder.CreateString(value)));
  }
  return builder.CreateVector(fields);
}

flatbuffers::Offset<wire::Where> write(flatbuffers::FlatBufferBuilder& builder, const Where& where) {
  const auto features = builder.CreateString(where.features);
  return wire::CreateWhere(builder, features, where.threads, builder.CreateString(where.mode));
}

wire::Spent write(const Spent& spent) {
  return {spent.trials, spent.seconds, spent.budget_trials, spent.budget_seconds};
}

std::string read(const flatbuffers::String* text) { return text ? text->str() : std::string(); }

Fingerprint read(const FingerprintTable* table) {
  Fingerprint fingerprint;
  if (!table) return fingerprint;
  for (const wire::Field* field : *table) fingerprint[read(field->name())] = read(field->value());
  return fingerprint;
}

Where read(const wire::Where* table) {
  return table ? Where{read(table->features()), table->threads(), read(table->mode())} : Where{};
}

Spent read(const wire::Spent* spent) {
  if (!spent) return {};
  return {spent->trials(), spent->seconds(), spent->budget_trials(), spent->budget_seconds()};
}

}  // namespace altrt::records
