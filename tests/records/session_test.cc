// Sessions that start from what earlier ones left.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/records/folder.h"
#include "tests/session/models.h"

namespace altrt {
namespace {

struct Start {
  SessionInfo info;
  Tensors outputs;
  std::vector<std::string> warnings;
};

SessionOptions options_in(const std::string& folder) {
  SessionOptions options;
  options.cache.directory = folder;
  options.threads = 2;
  return options;
}

Start start(SessionOptions options, const Model& model = conv_net()) {
  Start result;
  options.log = [&](LogLevel level, const std::string& line) {
    if (level == LogLevel::warning || level == LogLevel::error) result.warnings.push_back(line);
  };
  const Session session(model, options);
  result.info = session.info();
  result.outputs = session.run(views(make_inputs(session.inputs(), 5)));
  return result;
}

void expect_same(const Start& a, const Start& b) {
  ASSERT_EQ(a.outputs.size(), b.outputs.size());
  for (const auto& [name, tensor] : a.outputs) EXPECT_TRUE(same_bits(tensor, b.outputs.at(name))) << name;
}

std::string only_bundle(const TestFolder& folder) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().extension() != ".bundle") continue;
    EXPECT_EQ(found, "") << "one bundle only";
    found = entry.path().string();
  }
  return found;
}

TEST(SessionCache, SecondStartCompilesNothing) {
  const TestFolder folder;
  for (const Model& model : {conv_net(), attention_net(), alias_net()}) {
    const Start first = start(options_in(folder.path()), model);
    EXPECT_FALSE(first.info.from_bundle);
    EXPECT_GT(first.info.kernels_compiled, 0);
    EXPECT_EQ(first.info.cache_directory, folder.path());
    ASSERT_EQ(first.info.cache_reasons.size(), 1u);
    const Start second = start(options_in(folder.path()), model);
    EXPECT_TRUE(second.info.from_bundle);
    EXPECT_EQ(second.info.kernels_compiled, 0);
    EXPECT_EQ(second.info.kernels, first.info.kernels);
    EXPECT_EQ(second.info.trials, 0);
    EXPECT_TRUE(second.info.cache_reasons.empty());
    EXPECT_TRUE(second.warnings.empty());
    ASSERT_EQ(second.info.plan.size(), first.info.plan.size());
    for (size_t k = 0; k < first.info.plan.size(); ++k) {
      EXPECT_EQ(second.info.plan[k].name, first.info.plan[k].name);
      EXPECT_EQ(second.info.plan[k].layout, first.info.plan[k].layout);
    }
    expect_same(first, second);
  }
}

TEST(SessionCache, WithWinograd) {
  const TestFolder folder;
  SessionOptions options = options_in(folder.path());
  options.algorithm = "winograd2";
  const Start first = start(options), second = start(options);
  EXPECT_TRUE(second.info.from_bundle);
  expect_same(first, second);
  EXPECT_FALSE(start(options_in(folder.path())).info.from_bundle) << "another algorithm is another bundle";
}

TEST(SessionCache, OptionsThatMatterKeepBundlesApart) {
  const TestFolder folder;
  start(options_in(folder.path()));
  SessionOptions one = options_in(folder.path());
  one.threads = 1;
  EXPECT_FALSE(start(one).info.from_bundle);
  SessionOptions strict = options_in(folder.path());
  strict.numerics = Numerics::strict;
  EXPECT_FALSE(start(strict).info.from_bundle);
  EXPECT_FALSE(start(options_in(folder.path()), conv_net(2)).info.from_bundle) << "another shape";
  EXPECT_TRUE(start(options_in(folder.path())).info.from_bundle);
}

TEST(SessionCache, NoFiles) {
  const TestFolder folder;
  SessionOptions options = options_in("none");
  EXPECT_EQ(start(options).info.cache_directory, "");
  options = options_in(folder.path());
  options.cache.objects = false;
  start(options);
  EXPECT_FALSE(start(options).info.from_bundle);
  EXPECT_EQ(folder.files(), 0u);
  start(options_in(folder.path()));
  EXPECT_FALSE(start(options).info.from_bundle) << "nor is a bundle read";
}

TEST(SessionCache, DamageIsAMissAndOneWarning) {
  const TestFolder folder;
  const Start first = start(options_in(folder.path()));
  const std::string path = only_bundle(folder);
  const std::string good = read_bytes(path);
  ASSERT_GT(good.size(), 1000u);
  const auto expect_miss = [&](const std::string& what) {
    const Start again = start(options_in(folder.path()));
    EXPECT_FALSE(again.info.from_bundle) << what;
    EXPECT_EQ(again.warnings.size(), 1u) << what;
    EXPECT_EQ(again.info.cache_reasons.size(), 1u) << what;
    expect_same(first, again);
    EXPECT_TRUE(start(options_in(folder.path())).info.from_bundle) << "what was damaged is replaced";
  };
  for (const size_t at : {size_t{0}, size_t{70}, good.size() / 2, good.size() - 1}) {
    std::string bad = read_bytes(path);
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    write_bytes(path, bad);
    expect_miss("byte " + std::to_string(at));
    write_bytes(path, good.substr(0, at));
    expect_miss("length " + std::to_string(at));
  }
  chmod(path.c_str(), 0666);
  expect_miss("writable by all");
}

TEST(SessionCache, LinksAreRefused) {
  const TestFolder folder;
  start(options_in(folder.path()));
  const std::string path = only_bundle(folder), other = folder.file("other");
  std::filesystem::rename(path, other);
  std::filesystem::create_symlink(other, path);
  const Start again = start(options_in(folder.path()));
  EXPECT_FALSE(again.info.from_bundle);
  ASSERT_EQ(again.warnings.size(), 1u);
  EXPECT_NE(again.warnings[0].find("a symbolic link"), std::string::npos) << again.warnings[0];
}

TEST(SessionCache, DamagedRecordsAreAWarning) {
  const TestFolder folder;
  write_bytes(folder.file("records.altrt"), "nonsense");
  const Start first = start(options_in(folder.path()));
  ASSERT_EQ(first.warnings.size(), 1u);
  EXPECT_NE(first.warnings[0].find("records.altrt"), std::string::npos);
  EXPECT_EQ(first.outputs.size(), 1u);
}

TEST(SessionCache, FoldersThatCannotBeWritten) {
  const TestFolder folder;
  write_bytes(folder.file("file"), "x");
  const Start in_file = start(options_in(folder.file("file/sub")));
  EXPECT_EQ(in_file.warnings.size(), 1u);
  EXPECT_EQ(in_file.outputs.size(), 1u);
  chmod(folder.path().c_str(), 0555);
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setuid(12345) != 0) _exit(2);
    const Start unwritable = start(options_in(folder.path()));
    const Start missing = start(options_in(folder.file("missing")));
    _exit(unwritable.warnings.size() == 1 && missing.warnings.size() == 1 && unwritable.outputs.size() == 1 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(SessionCache, ListAndPrune) {
  const TestFolder folder;
  start(options_in(folder.path()));
  const Cache cache(folder.path());
  const std::vector<CacheEntry> entries = cache.list();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].kind, CacheEntry::Kind::bundle);
  EXPECT_EQ(entries[0].name, "conv_net");
  EXPECT_EQ(entries[0].threads, 2);
  EXPECT_GT(entries[0].bytes, 1000);
  EXPECT_EQ(cache.prune(std::chrono::hours(24)), 0);
  EXPECT_EQ(cache.prune(std::chrono::seconds(0)), entries[0].bytes);
  EXPECT_TRUE(cache.list().empty());
  EXPECT_FALSE(start(options_in(folder.path())).info.from_bundle);
}

SessionOptions tuned_in(const std::string& folder, int64_t trials) {
  SessionOptions options = options_in(folder);
  options.tuning.mode = TuningMode::load;
  options.tuning.max_trials = trials;
  return options;
}

TEST(SessionCache, ABudgetIsATotalOverAllStarts) {
  const TestFolder folder;
  const Start first = start(tuned_in(folder.path(), 6));
  if (first.info.trials == 0) GTEST_SKIP() << "built without the tuner";
  EXPECT_EQ(first.info.trials, 6);
  const Start same = start(tuned_in(folder.path(), 6));
  EXPECT_EQ(same.info.trials, 0);
  EXPECT_TRUE(same.info.from_bundle);
  expect_same(first, same);
  const Start none = start(options_in(folder.path()));
  EXPECT_TRUE(none.info.from_bundle) << "without a budget, too";
  const Start larger = start(tuned_in(folder.path(), 9));
  EXPECT_EQ(larger.info.trials, 3);
  EXPECT_TRUE(start(tuned_in(folder.path(), 9)).info.from_bundle);
  for (const CacheEntry& entry : Cache(folder.path()).list()) {
    EXPECT_NE(entry.kind, CacheEntry::Kind::trial_log) << "the log goes when its tuning has ended";
    if (entry.kind == CacheEntry::Kind::model) {
      EXPECT_EQ(entry.trials, 9);
    }
  }
}

TEST(SessionCache, AKilledTuningGoesOn) {
  const TestFolder folder;
  if (start(tuned_in("none", 1)).info.trials == 0) GTEST_SKIP() << "built without the tuner";
  const pid_t child = fork();
  if (child == 0) {
    SessionOptions options = tuned_in(folder.path(), 1000);
    options.tuning.progress = [](const TuningProgress& progress) {
      if (progress.trials > 0) kill(getpid(), SIGKILL);
      return true;
    };
    start(options);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const std::vector<CacheEntry> left = Cache(folder.path()).list();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].kind, CacheEntry::Kind::trial_log);
  const Start next = start(tuned_in(folder.path(), 200));
  EXPECT_LT(next.info.trials, 200);
  EXPECT_GT(next.info.trials, 0);
  for (const CacheEntry& entry : Cache(folder.path()).list()) {
    if (entry.kind == CacheEntry::Kind::model) {
      EXPECT_EQ(entry.trials, 200) << "those of the killed tuning count";
    }
  }
}

TEST(SessionCache, RecordsAloneBringTheTunedPlan) {
  const TestFolder folder, other;
  const Start first = start(tuned_in(folder.path(), 40));
  if (first.info.trials == 0) GTEST_SKIP() << "built without the tuner";
  EXPECT_GT(Cache(folder.path()).export_records(other.file("exported")), 0);
  EXPECT_GT(Cache(other.path()).import_records(other.file("exported")), 0);
  const Start imported = start(tuned_in(other.path(), 40));
  EXPECT_EQ(imported.info.trials, 0);
  EXPECT_GT(imported.info.kernels_compiled, 0);
  EXPECT_TRUE(imported.warnings.empty());
  expect_same(first, imported);
}

TEST(SessionCache, ImportedRecordsReplaceUntunedCode) {
  const TestFolder folder, other;
  if (start(tuned_in(folder.path(), 6)).info.trials == 0) GTEST_SKIP() << "built without the tuner";
  start(options_in(other.path()));
  Cache(folder.path()).export_records(folder.file("exported"));
  Cache(other.path()).import_records(folder.file("exported"));
  EXPECT_FALSE(start(options_in(other.path())).info.from_bundle);
  EXPECT_TRUE(start(options_in(other.path())).info.from_bundle);
}

// The checksum is right, but what the record says can't be done.
TEST(SessionCache, PoisonedRecordsAreIgnoredWithAReason) {
  const TestFolder folder;
  if (start(tuned_in(folder.path(), 6)).info.trials == 0) GTEST_SKIP() << "built without the tuner";
  const std::string path = folder.file("records.altrt");
  const std::string good = read_bytes(path).substr(records::kHeaderBytes);
  const Start plain = start(options_in("none"));
  const std::pair<std::string, std::string> poisons[] = {{"algorithm direct", "algorithm mirect"},
                                                         {"provider own", "provider owl"},
                                                         {"schedule\n", "schaedul\n"},
                                                         {"split(", "slpit("},
                                                         {"= ", "=="}};
  for (const auto& [from, to] : poisons) {
    std::string bad = good;
    size_t changed = 0;
    for (size_t at = bad.find(from); at != std::string::npos; at = bad.find(from, at + 1), ++changed) {
      bad.replace(at, from.size(), to);
    }
    if (changed == 0) continue;
    std::filesystem::remove(only_bundle(folder));
    write_framed(path, records::Kind::records, bad);
    const Start poisoned = start(options_in(folder.path()));
    EXPECT_FALSE(poisoned.warnings.empty()) << to;
    expect_close(poisoned.outputs, plain.outputs);
  }
}

TEST(SessionCache, ExportAndImportRefuseWhatIsNoRecordFile) {
  const TestFolder folder;
  const Cache cache(folder.path());
  EXPECT_EQ(cache.export_records(folder.file("out")), 0);
  EXPECT_EQ(cache.import_records(folder.file("out")), 0);
  write_bytes(folder.file("bad"), "nonsense");
  EXPECT_THROW(cache.import_records(folder.file("bad")), Error);
  EXPECT_THROW(cache.import_records(folder.file("missing")), Error);
  EXPECT_THROW(Cache("none"), Error);
}

}  // namespace
}  // namespace altrt
