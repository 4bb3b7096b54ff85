// Decisions that the user made himself (SessionOptions::decisions).
#pragma once

#include <altrt/session.h>

#include <string>
#include <vector>

#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"

namespace altrt::session {

/// Per group: whether the options hold its decision.
std::vector<bool> hand_made(const std::vector<graph::Group>& groups, const SessionOptions& options);

/// Puts the options' decisions in the place of others. Error(invalid_argument) names the group, the step and the reason
/// where one can't be applied, and lists the names of the groups where there is none of that name.
void apply_hand_made(const std::vector<graph::Group>& groups, const SessionOptions& options,
                     graph::Decisions& decisions);

/// "option decisions: group 'conv1' (Conv+Relu)", for messages.
std::string where_hand_made(const graph::Group& group);

/// Error if the decision can't be applied to the group: algorithm, names, every primitive. Opens its provider.
void check_decision(const jit::GroupDecision& decision, const graph::Group& group);

/// Equal exactly for equal hand-made decisions, "" where there are none: part of what names files and records, so that
/// what is learned beside them is not taken for what is best without them.
std::string mode_of_hand_made(const SessionOptions& options);

}  // namespace altrt::session
