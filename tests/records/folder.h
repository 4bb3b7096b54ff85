// A folder of its own for each test, and files as bytes.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "runtime/records/file.h"

namespace altrt {

/// Made new, for the user alone; deleted with all it holds.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "altrt_records_XXXXXX").string();
    if (!mkdtemp(name.data())) ADD_FAILURE() << "no folder " << name;
    path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  size_t files() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {})); }

 private:
  std::string path_;
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);  // a file system may flush a file that is emptied and written again
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  chmod(path.c_str(), 0600);
}

/// A payload in a frame that agrees with it, without the syncing of a real write.
inline void write_framed(const std::string& path, records::Kind kind, const std::string& payload) {
  const std::string frame = records::frame(kind, {reinterpret_cast<const uint8_t*>(payload.data()), payload.size()});
  write_bytes(path, frame + payload);
}

}  // namespace altrt
