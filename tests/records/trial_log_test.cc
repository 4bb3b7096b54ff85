#include "runtime/records/trial_log.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/records/folder.h"

namespace altrt::records {
namespace {

const Fingerprint kFingerprint{{"model", "1234"}, {"threads", "2"}};

Trial trial(int number) {
  return {static_cast<uint64_t>(number), "decision " + std::to_string(number), number % 3 ? 0.5 * number : 0,
          number % 3 ? "" : "gate", 0.1 * number};
}

std::vector<Trial> trials(int count) {
  std::vector<Trial> all;
  for (int i = 1; i <= count; ++i) all.push_back(trial(i));
  return all;
}

void write_log(const std::string& path, int count) {
  TrialLog log(path, kFingerprint);
  for (const Trial& t : trials(count)) log.append(t);
}

TEST(TrialLog, GoesOnWhereItWas) {
  const TestFolder folder;
  const std::string path = folder.file("a.trials");
  write_log(path, 5);
  {
    TrialLog log(path, kFingerprint);
    EXPECT_EQ(log.trouble(), "");
    EXPECT_EQ(log.earlier(), trials(5));
    log.append(trial(6));
  }
  EXPECT_EQ(TrialLog(path, kFingerprint).earlier(), trials(6));
}

TEST(TrialLog, SurvivesTheProcess) {
  const TestFolder folder;
  const std::string path = folder.file("a.trials");
  const pid_t child = fork();
  if (child == 0) {
    TrialLog log(path, kFingerprint);
    for (const Trial& t : trials(40)) log.append(t);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(TrialLog(path, kFingerprint).earlier(), trials(40));
}

TEST(TrialLog, TornTailsAreDropped) {
  const TestFolder folder;
  const std::string path = folder.file("a.trials");
  write_log(path, 1);
  const size_t one = read_bytes(path).size();
  write_log(path, 0);
  {
    TrialLog log(path, kFingerprint);
    log.append(trial(2));
  }
  const std::string good = read_bytes(path);
  for (size_t length = one + 1; length < good.size(); ++length) {
    write_bytes(path, good.substr(0, length));
    TrialLog log(path, kFingerprint);
    EXPECT_EQ(log.earlier(), trials(1)) << length;
    EXPECT_NE(log.trouble(), "");
    log.append(trial(2));
    EXPECT_EQ(read_bytes(path), good) << "what follows joins the good part";
  }
}

TEST(TrialLog, FlippedBytesLoseAtMostWhatFollows) {
  const TestFolder folder;
  const std::string path = folder.file("a.trials");
  write_log(path, 4);
  const std::string good = read_bytes(path);
  const std::vector<Trial> all = trials(4);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    write_bytes(path, bad);
    const TrialLog log(path, kFingerprint);
    EXPECT_NE(log.trouble(), "") << i;
    ASSERT_LT(log.earlier().size(), all.size()) << i;
    EXPECT_TRUE(std::equal(log.earlier().begin(), log.earlier().end(), all.begin())) << i;
  }
}

TEST(TrialLog, AForeignLogIsBegunAnew) {
  const TestFolder folder;
  const std::string path = folder.file("a.trials");
  write_log(path, 4);
  Fingerprint other = kFingerprint;
  other["threads"] = "4";
  {
    TrialLog log(path, other);
    EXPECT_TRUE(log.earlier().empty());
    EXPECT_EQ(log.trouble(), "threads differs: '2' -> '4'");
    log.append(trial(9));
  }
  EXPECT_EQ(TrialLog(path, other).earlier().size(), 1u);
}

TEST(TrialLog, OneProcessAtATime) {
  const TestFolder folder;
  const std::string path = folder.file("a.trials");
  TrialLog first(path, kFingerprint);
  first.append(trial(1));
  TrialLog second(path, kFingerprint);
  EXPECT_EQ(second.trouble(), "another process is tuning the same");
  second.append(trial(2));
  second.remove();
  first.append(trial(2));
  EXPECT_EQ(read_bytes(path).size(), [&] {
    const TestFolder other;
    write_log(other.file("b"), 2);
    return read_bytes(other.file("b")).size();
  }());
}

TEST(TrialLog, RemoveAndPlacesThatCannotBe) {
  const TestFolder folder;
  const std::string path = folder.file("a.trials");
  TrialLog log(path, kFingerprint);
  log.remove();
  EXPECT_EQ(folder.files(), 0u);
  TrialLog nowhere(folder.file("none/a.trials"), kFingerprint);
  EXPECT_NE(nowhere.trouble(), "");
  nowhere.append(trial(1));
  ASSERT_EQ(symlink("elsewhere", path.c_str()), 0);
  EXPECT_NE(TrialLog(path, kFingerprint).trouble(), "");
  EXPECT_FALSE(std::filesystem::exists(folder.file("elsewhere")));
}

}  // namespace
}  // namespace altrt::records
