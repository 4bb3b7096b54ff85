#include "runtime/records/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "runtime/records/fingerprint.h"
#include "runtime/records/folder.h"
#include "tests/records/folder.h"

namespace altrt::records {
namespace {

std::vector<uint8_t> sample() {
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 300; ++i) bytes.push_back(static_cast<uint8_t>(i * 7));
  return bytes;
}

TEST(File, RoundTrip) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  ASSERT_EQ(write_file(path, Kind::records, sample()), "");
  const FileContent content = read_file(path, Kind::records, Trust::code);
  ASSERT_TRUE(content.file) << content.trouble;
  const auto payload = content.payload();
  EXPECT_EQ(std::vector<uint8_t>(payload.begin(), payload.end()), sample());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(payload.data()) % 64, 0u);
  EXPECT_EQ(folder.files(), 1u) << "nothing is left beside the file";
}

TEST(File, ReplacesInOneStep) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  ASSERT_EQ(write_file(path, Kind::records, sample()), "");
  ASSERT_EQ(write_file(path, Kind::records, std::vector<uint8_t>{1, 2, 3}), "");
  EXPECT_EQ(read_file(path, Kind::records, Trust::data).bytes, 3u);
}

TEST(File, MissingIsNoTrouble) {
  const TestFolder folder;
  const FileContent content = read_file(folder.file("none"), Kind::records, Trust::data);
  EXPECT_FALSE(content.file);
  EXPECT_EQ(content.trouble, "");
}

TEST(File, EveryFlippedByteIsTrouble) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  ASSERT_EQ(write_file(path, Kind::records, sample()), "");
  const std::string good = read_bytes(path);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {1, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      write_bytes(path, bad);
      const FileContent content = read_file(path, Kind::records, Trust::data);
      EXPECT_FALSE(content.file) << "byte " << i;
      EXPECT_NE(content.trouble, "") << "byte " << i;
    }
  }
}

TEST(File, EveryLengthButTheRightOneIsTrouble) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  ASSERT_EQ(write_file(path, Kind::records, sample()), "");
  const std::string good = read_bytes(path);
  for (size_t length = 0; length < good.size(); ++length) {
    write_bytes(path, good.substr(0, length));
    const FileContent content = read_file(path, Kind::records, Trust::data);
    EXPECT_FALSE(content.file) << length;
    EXPECT_NE(content.trouble, "") << length;
  }
  write_bytes(path, good + "x");
  EXPECT_NE(read_file(path, Kind::records, Trust::data).trouble, "");
}

TEST(File, TroubleNamesTheField) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  ASSERT_EQ(write_file(path, Kind::records, sample()), "");
  EXPECT_EQ(read_file(path, Kind::bundle, Trust::data).trouble, "kind differs: records -> bundle");
  std::string bytes = read_bytes(path);
  bytes[8] = 9;
  write_bytes(path, bytes);
  EXPECT_EQ(read_file(path, Kind::records, Trust::data).trouble, "format version differs: 9 -> 1");
  EXPECT_EQ(difference({{"llvm", "18"}, {"threads", "2"}}, {{"llvm", "19"}, {"threads", "2"}}),
            "llvm differs: '18' -> '19'");
  EXPECT_EQ(difference({}, {{"llvm", "19"}}), "llvm differs: nothing -> '19'");
  EXPECT_EQ(difference({{"llvm", "19"}, {"x", "1"}}, {{"llvm", "19"}}), "x differs: '1' -> nothing");
}

TEST(File, LinksFoldersAndPipesAreRefused) {
  const TestFolder folder;
  ASSERT_EQ(write_file(folder.file("a"), Kind::records, sample()), "");
  ASSERT_EQ(symlink("a", folder.file("link").c_str()), 0);
  EXPECT_EQ(read_file(folder.file("link"), Kind::records, Trust::data).trouble, "a symbolic link");
  EXPECT_NE(read_file(folder.path(), Kind::records, Trust::data).trouble, "");
  ASSERT_EQ(mkfifo(folder.file("pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(folder.file("pipe"), Kind::records, Trust::data).trouble, "not a plain file");
}

TEST(File, CodeMustNotBeWritableByOthers) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  ASSERT_EQ(write_file(path, Kind::bundle, sample()), "");
  chmod(path.c_str(), 0620);
  EXPECT_EQ(read_file(path, Kind::bundle, Trust::code).trouble, "the file can be written by others");
  EXPECT_EQ(read_file(path, Kind::bundle, Trust::data).trouble, "");
  chmod(path.c_str(), 0600);
  chmod(folder.path().c_str(), 0777);
  EXPECT_EQ(read_file(path, Kind::bundle, Trust::code).trouble, "its folder can be written by others");
  chmod(folder.path().c_str(), 0700);
  EXPECT_EQ(read_file(path, Kind::bundle, Trust::code).trouble, "");
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path.c_str(), 12345, 12345), 0);
    EXPECT_EQ(read_file(path, Kind::bundle, Trust::code).trouble, "the file belongs to another user");
  }
}

// Runs `body` in a child; its result is the child's exit status.
template <typename Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

TEST(File, FullDiskLeavesTheOldFile) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  ASSERT_EQ(write_file(path, Kind::records, std::vector<uint8_t>{1, 2, 3}), "");
  const std::vector<uint8_t> large(1 << 20);
  // The limit's signal would end a process that left it alone.
  EXPECT_EQ(in_child([&] {
              const rlimit limit{100000, 100000};
              setrlimit(RLIMIT_FSIZE, &limit);
              const bool refused = !write_file(path, Kind::records, large).empty();
              sigset_t pending, blocked;
              sigpending(&pending);
              pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
              return refused && !sigismember(&pending, SIGXFSZ) && !sigismember(&blocked, SIGXFSZ) ? 0 : 1;
            }),
            0);
  EXPECT_EQ(read_file(path, Kind::records, Trust::data).bytes, 3u);
  EXPECT_EQ(folder.files(), 1u) << "no temporary file is left";
}

TEST(File, NoSuchFolder) {
  const TestFolder folder;
  EXPECT_NE(write_file(folder.file("none/a"), Kind::records, sample()), "");
  write_bytes(folder.file("plain"), "x");
  EXPECT_NE(make_folder(folder.file("plain/sub")), "");
  EXPECT_EQ(make_folder(folder.file("plain")), "not a folder");
}

TEST(Folder, IsMadeForTheUserAlone) {
  const TestFolder folder;
  const std::string deep = folder.file("x/y/z");
  ASSERT_EQ(make_folder(deep), "");
  ASSERT_EQ(make_folder(deep), "");
  struct stat status;
  ASSERT_EQ(stat(deep.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST(Folder, DefaultFollowsTheEnvironment) {
  EXPECT_EQ(cache_folder("none"), "");
  EXPECT_EQ(cache_folder("/a/b"), "/a/b");
  setenv("XDG_CACHE_HOME", "/caches", 1);
  EXPECT_EQ(cache_folder(""), "/caches/altrt");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(cache_folder(""), "/home/me/.cache/altrt");
}

TEST(Folder, BundlesUsedLongestAgoGoFirst) {
  const TestFolder folder;
  for (const int i : {1, 2, 3}) {
    const std::string path = folder.file(std::to_string(i) + kBundleSuffix);
    write_bytes(path, std::string(100, 'x'));
    const timespec times[2] = {{1000 * i, 0}, {1000 * i, 0}};
    utimensat(AT_FDCWD, path.c_str(), times, 0);
  }
  touch(folder.file(std::string("1") + kBundleSuffix));
  limit_bundles(folder.path(), 250);
  const std::vector<FileEntry> left = list_files(folder.path());
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].name, std::string("1") + kBundleSuffix);
  EXPECT_EQ(left[1].name, std::string("3") + kBundleSuffix);
}

TEST(Fingerprint, BuildIdIsThere) { EXPECT_GE(build_id().size(), 16u); }

}  // namespace
}  // namespace altrt::records
