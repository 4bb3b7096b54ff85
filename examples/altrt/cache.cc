// altrt cache: looks after the folder of records and compiled code.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>

#include "common.h"

namespace altrt::tool {
namespace {

struct CacheArguments {
  std::string folder;
  std::string file;
  int64_t days = 30;
  bool all = false;
};

std::string age(int64_t time) {
  const int64_t minutes = (std::time(nullptr) - time) / 60;
  const int64_t hours = minutes / 60;
  if (hours < 2) return fmt::format("{} min", minutes);
  return hours < 48 ? fmt::format("{} h", hours) : fmt::format("{} days", hours / 24);
}

void list(const CacheArguments& arguments) {
  const Cache cache(arguments.folder);
  fmt::print("{}\n", cache.directory());
  for (const CacheEntry& entry : cache.list()) {
    std::string figures;
    if (entry.ms > 0) figures += fmt::format("{:.4f} ms, ", entry.ms);
    if (entry.trials > 0) figures += fmt::format("{} trials, ", entry.trials);
    if (entry.seconds > 0) figures += fmt::format("{:.1f} s, ", entry.seconds);
    if (entry.bytes > 0) figures += fmt::format("{:.1f} KB, ", static_cast<double>(entry.bytes) / 1024);
    if (entry.threads > 0) figures += fmt::format("{} threads, ", entry.threads);
    fmt::print("{:<7} {}: {}{}, {} old\n", to_string(entry.kind), entry.name.empty() ? entry.file : entry.name, figures,
               entry.mode, age(entry.time));
  }
}

void prune(const CacheArguments& arguments) {
  const auto older_than = std::chrono::hours(arguments.all ? 0 : 24 * arguments.days);
  fmt::print("{} bytes freed\n", Cache(arguments.folder).prune(older_than));
}

}  // namespace

void add_cache(CLI::App& app, int&) {
  CLI::App* command = app.add_subcommand("cache", "manage records and compiled code");
  command->require_subcommand(1);
  auto arguments = std::make_shared<CacheArguments>();
  const auto add = [&](const char* name, const char* text) {
    CLI::App* subcommand = command->add_subcommand(name, text);
    subcommand->add_option("--cache", arguments->folder, "folder (default $XDG_CACHE_HOME/altrt)");
    return subcommand;
  };
  add("list", "what is there")->callback([arguments] { list(*arguments); });
  CLI::App* out = add("export", "write all records to a file, for another machine");
  out->add_option("file", arguments->file)->required();
  out->callback([arguments] {
    fmt::print("{} records -> {}\n", Cache(arguments->folder).export_records(arguments->file), arguments->file);
  });
  CLI::App* in = add("import", "take in the records of such a file");
  in->add_option("file", arguments->file)->required();
  in->callback([arguments] {
    fmt::print("{} records <- {}\n", Cache(arguments->folder).import_records(arguments->file), arguments->file);
  });
  CLI::App* old = add("prune", "delete what was not used for long");
  old->add_option("--older-than", arguments->days, "DAYS (default 30)")->check(CLI::NonNegativeNumber);
  old->add_flag("--all", arguments->all, "everything");
  old->callback([arguments] { prune(*arguments); });
}

}  // namespace altrt::tool
