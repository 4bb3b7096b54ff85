// The part of the zip format that .npz files need: stored (uncompressed) members, zip64 sizes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace altrt::npy::zip {

struct Member {
  std::string name;
  std::string_view content;  // points into the archive
};

/// The members of an archive, in the order of its directory. altrt::Error(invalid_argument) names `where` and the
/// member: cut off, compressed, encrypted, wrong CRC.
std::vector<Member> members(std::string_view archive, const std::string& where);

/// An archive of stored members; contents by name. Each at most 4 GiB: altrt::Error(invalid_argument) beyond.
std::string archive(const std::map<std::string, std::string>& files);

uint32_t crc32(std::string_view bytes);

}  // namespace altrt::npy::zip
