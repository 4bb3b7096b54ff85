#include "jit/compile/decisions.h"

#include <charconv>
#include <sstream>
#include <system_error>

#include <altrt/error.h>

#include "runtime/base/hash.h"

namespace altrt {

std::string to_string(const GroupDecision& decision) {
  std::ostringstream out;
  out << "provider " << decision.provider << "\nalgorithm " << decision.algorithm << "\n";
  if (decision.parts != 1) out << "parts " << decision.parts << "\n";
  for (const auto& [tensor, layout] : decision.layouts) {
    if (!layout.is_plain()) out << "layout " << tensor << " = " << to_string(layout) << "\n";
  }
  const std::string schedule = to_string(decision.schedule);
  if (!schedule.empty()) out << "schedule\n" << schedule;
  return out.str();
}

namespace {

[[noreturn]] void bad_line(const std::string& line) {
  throw Error(ErrorCode::invalid_argument, "decision: cannot read line '" + line + "'");
}

void parse_layout_line(const std::string& line, GroupDecision& decision) {
  const size_t assign = line.find(" = ");
  if (assign == std::string::npos) bad_line(line);
  decision.layouts[line.substr(7, assign - 7)] = parse_layout(line.substr(assign + 3));
}

void parse_parts_line(const std::string& line, GroupDecision& decision) {
  const char* end = line.data() + line.size();
  const auto [rest, error] = std::from_chars(line.data() + 6, end, decision.parts);
  if (error != std::errc() || rest != end || decision.parts < 1) bad_line(line);
}

}  // namespace

GroupDecision parse_decision(const std::string& text) {
  GroupDecision decision;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind("provider ", 0) == 0) {
      decision.provider = line.substr(9);
    } else if (line.rfind("algorithm ", 0) == 0) {
      decision.algorithm = line.substr(10);
    } else if (line.rfind("parts ", 0) == 0) {
      parse_parts_line(line, decision);
    } else if (line.rfind("layout ", 0) == 0) {
      parse_layout_line(line, decision);
    } else if (line == "schedule") {
      decision.schedule = parse_schedule(std::string(std::istreambuf_iterator<char>(in), {}));
      break;
    } else if (!line.empty()) {
      bad_line(line);
    }
  }
  return decision;
}

uint64_t hash(const GroupDecision& decision) { return base::Hasher().add(to_string(decision)).value(); }

}  // namespace altrt
