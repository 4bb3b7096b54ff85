// The number of threads that this process may use: affinity and cgroup quota.
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "runtime/base/cpu_info.h"

namespace altrt::base {
namespace {

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Quota and period in microseconds; a quota below 1 ("max", -1) means none.
std::optional<double> processors(const std::string& quota, const std::string& period) {
  const double quota_us = std::atof(quota.c_str()), period_us = std::atof(period.c_str());
  if (quota_us < 1 || period_us < 1) return std::nullopt;
  return quota_us / period_us;
}

std::optional<double> quota_in_folder(const ReadFile& read, const std::string& folder, int version) {
  if (version == 2) {
    const std::optional<std::string> text = read(folder + "/cpu.max");
    if (!text) return std::nullopt;
    std::istringstream words(*text);
    std::string quota, period;
    words >> quota >> period;
    return processors(quota, period);
  }
  const std::optional<std::string> quota = read(folder + "/cpu.cfs_quota_us");
  const std::optional<std::string> period = read(folder + "/cpu.cfs_period_us");
  if (!quota || !period) return std::nullopt;
  return processors(*quota, *period);
}

// The tightest quota of `path` and all folders above it. Inside a container the group's path is often the host's and
// does not exist below the mount; then only the mount itself counts.
std::optional<double> tightest_quota(const ReadFile& read, const std::string& mount, std::string path, int version) {
  std::optional<double> tightest;
  while (true) {
    const std::optional<double> quota = quota_in_folder(read, mount + path, version);
    if (quota && (!tightest || *quota < *tightest)) tightest = quota;
    if (path.empty()) return tightest;
    path.erase(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
  }
}

bool names_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

int processors_by_affinity() {
  // The kernel's mask may be wider than cpu_set_t: grow until the call accepts the size.
  for (int count = 1024; count <= 1 << 20; count *= 2) {
    std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(count), [](cpu_set_t* p) { CPU_FREE(p); });
    if (!set) break;
    const size_t size = CPU_ALLOC_SIZE(count);
    CPU_ZERO_S(size, set.get());
    if (sched_getaffinity(0, size, set.get()) == 0) return CPU_COUNT_S(size, set.get());
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

std::optional<double> cgroup_cpu_quota(const ReadFile& read) {
  std::optional<double> tightest;
  std::istringstream lines(read("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {  // id:controllers:path
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    std::optional<double> quota;
    if (controllers.empty()) {
      quota = tightest_quota(read, "/sys/fs/cgroup", path, 2);
    } else if (names_cpu(controllers)) {
      quota = tightest_quota(read, "/sys/fs/cgroup/cpu", path, 1);
      if (!quota) quota = tightest_quota(read, "/sys/fs/cgroup/" + controllers, path, 1);
    }
    if (quota && (!tightest || *quota < *tightest)) tightest = quota;
  }
  return tightest;
}

int available_threads() {
  int threads = processors_by_affinity();
  if (const std::optional<double> quota = cgroup_cpu_quota(read_file)) {
    threads = static_cast<int>(std::min<double>(threads, *quota));
  }
  return std::max(threads, 1);
}

}  // namespace altrt::base
