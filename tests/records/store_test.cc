#include "runtime/records/store.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <limits>

#include "runtime/records/folder.h"
#include "tests/records/folder.h"

namespace altrt::records {
namespace {

Records sample() {
  Records records;
  const Where where{"+avx2,+fma lanes=8", 2, "standard own"};
  records.tasks[{7, where}] = {"Conv+Relu", "provider own\nalgorithm direct\n", 0.25, 30, 1.5, 1000, "{1}"};
  records.tasks[{8, where}] = {"MatMul", "provider own\nalgorithm direct\n", 1.25, 3, 0.5, 1001, ""};
  records.models[{9, where}] = {"net", {"provider own\n", ""}, 2.5, {60, 10.5, 100, 20}, 1002};
  return records;
}

TEST(Store, RoundTrip) {
  const TestFolder folder;
  const std::string path = folder.file(kRecordsFile);
  ASSERT_EQ(write_records(path, sample()), "");
  const ReadRecords read = read_records(path);
  EXPECT_EQ(read.trouble, "");
  EXPECT_EQ(read.records, sample());
}

TEST(Store, EveryDamageIsAMissWithAReason) {
  const TestFolder folder;
  const std::string path = folder.file(kRecordsFile);
  ASSERT_EQ(write_records(path, sample()), "");
  const std::string good = read_bytes(path);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    write_bytes(path, bad);
    const ReadRecords read = read_records(path);
    EXPECT_TRUE(read.records.empty() && !read.trouble.empty()) << "byte " << i;
    write_bytes(path, good.substr(0, i));
    const ReadRecords cut = read_records(path);
    EXPECT_TRUE(cut.records.empty() && !cut.trouble.empty()) << "length " << i;
  }
}

// With a frame that agrees, only the tables' own verification is left.
TEST(Store, DamagedTablesBehindARightChecksum) {
  const TestFolder folder;
  const std::string path = folder.file(kRecordsFile);
  ASSERT_EQ(write_records(path, sample()), "");
  const std::string good = read_bytes(path).substr(kHeaderBytes);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {1, 0x40, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      write_framed(path, Kind::records, bad);
      const ReadRecords read = read_records(path);
      for (const auto& [key, record] : read.records.tasks) {
        EXPECT_GT(record.ms, 0) << "byte " << i;
        EXPECT_FALSE(record.decision.empty());
      }
    }
  }
}

TEST(Store, EntriesThatSayNothingAreLeftOut) {
  const TestFolder folder;
  const std::string path = folder.file(kRecordsFile);
  Records records;
  records.tasks[{1, {}}] = {"a", "", 1, 1, 1, 1, ""};
  records.tasks[{2, {}}] = {"a", "d", 0, 1, 1, 1, ""};
  records.tasks[{3, {}}] = {"a", "d", std::numeric_limits<double>::quiet_NaN(), 1, 1, 1, ""};
  records.tasks[{4, {}}] = {"a", "d", 1, -1, 1, 1, ""};
  records.tasks[{5, {}}] = {"a", "d", 1, 1, 1, 1, ""};
  records.models[{6, {}}] = {"m", {"d"}, 1, {-1, 0, 0, 0}, 1};
  ASSERT_EQ(write_records(path, records), "");
  const Records read = read_records(path).records;
  EXPECT_EQ(read.tasks.size(), 1u);
  EXPECT_TRUE(read.tasks.contains({5, {}}));
  EXPECT_TRUE(read.models.empty());
}

TEST(Store, MergeKeepsTheBestAndIsTheSameInEveryOrder) {
  Records a, b;
  a.tasks[{1, {}}] = {"x", "slow", 2, 10, 5, 1, ""};
  b.tasks[{1, {}}] = {"x", "fast", 1, 4, 6, 2, ""};
  b.tasks[{2, {}}] = {"y", "only", 3, 1, 1, 1, ""};
  a.models[{1, {}}] = {"m", {"long"}, 1, {100, 20, 0, 0}, 1};
  b.models[{1, {}}] = {"m", {"short"}, 1, {50, 30, 0, 60}, 9};
  Records ab = a, ba = b;
  merge(ab, b);
  merge(ba, a);
  EXPECT_EQ(ab, ba);
  const TaskRecord best = ab.tasks[TaskKey{1, {}}];
  EXPECT_EQ(best.decision, "fast");
  EXPECT_EQ(best.trials, 10);
  EXPECT_EQ(best.seconds, 6);
  EXPECT_EQ(ab.tasks.size(), 2u);
  const ModelRecord model = ab.models[ModelKey{1, {}}];
  EXPECT_EQ(model.decisions.front(), "long");
  EXPECT_EQ(model.spent, (Spent{100, 30, 0, 60}));
  Records again = ab;
  merge(again, ab);
  EXPECT_EQ(again, ab);
}

TEST(Store, ConcurrentWritersLoseNothing) {
  const TestFolder folder;
  constexpr int kProcesses = 4, kSaves = 20;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    if (child == 0) {
      for (int i = 0; i < kSaves; ++i) {
        Records records;
        records.tasks[{static_cast<uint64_t>(p * 1000 + i), {}}] = {"own", "d", 1.0 + i, 1, 0, 1, ""};
        records.tasks[{5, {}}] = {"shared", std::to_string(p), 1.0 / (1 + p + kProcesses * i), 1, 0, 1, ""};
        if (!add_records(folder.path(), records).empty()) _exit(1);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  const ReadRecords read = read_records(folder.file(kRecordsFile));
  EXPECT_EQ(read.trouble, "");
  // Task 5 of process 0 is the shared one as well.
  EXPECT_EQ(read.records.tasks.size(), static_cast<size_t>(kProcesses * kSaves));
  for (int p = 0; p < kProcesses; ++p) {
    for (int i = 0; i < kSaves; ++i) {
      EXPECT_TRUE(read.records.tasks.contains({static_cast<uint64_t>(p * 1000 + i), {}})) << p << " " << i;
    }
  }
  EXPECT_EQ(read.records.tasks.at({5, {}}).decision, std::to_string(kProcesses - 1));
}

TEST(Store, ADamagedFileIsReplaced) {
  const TestFolder folder;
  write_bytes(folder.file(kRecordsFile), "nonsense");
  EXPECT_NE(read_records(folder.file(kRecordsFile)).trouble, "");
  Records merged;
  EXPECT_EQ(add_records(folder.path(), sample(), &merged), "");
  EXPECT_EQ(merged, sample());
  EXPECT_EQ(read_records(folder.file(kRecordsFile)).records, sample());
}

TEST(Store, AFolderThatIsNone) {
  const TestFolder folder;
  EXPECT_NE(add_records(folder.file("none"), sample()), "");
}

}  // namespace
}  // namespace altrt::records
