// What a session's options mean on this machine and for this model.
#pragma once

#include <altrt/session.h>

namespace altrt::session {

/// Error(invalid_argument | unavailable) names the option, what was given and what there is: thread counts, providers,
/// device, names of inputs and dimensions, budgets.
void check_options(const SessionOptions& options, const Model& model);

/// The number of threads of the team.
int thread_count(const SessionOptions& options);

}  // namespace altrt::session
