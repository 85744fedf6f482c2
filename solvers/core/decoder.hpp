// From what the placement network says to an association: users go to the cheapest open server with room, then shift
// and swap while that lowers the exact cost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/placement_state.hpp"
#include "solvers/core/placing.hpp"

namespace dtopt {

struct DecoderParams {
    std::int64_t few_users = 1000;  // up to this many users every swap is tried
    std::int64_t partners = 4;      // with more, users of each server that a user may swap with, drawn at random
    double settled = 1e-3;          // a round that moves no more than this part of the users is the last of its kind
};

class Decoder {
  public:
    // The view must outlive the decoder.
    Decoder(const PlacementView& view, const DecoderParams& params);

    // Decode a set of open servers at prices of listed pairs, shape (N, C): each round shifts all users to their best
    // servers, or swaps them where shifts no longer help. No empty server is opened then. Return the cost, infinite
    // where a constraint is broken; `slots()` has the association.
    double decode(std::span<const bool> is_open, MatrixView<const float> priced, std::int64_t rounds, bool swaps,
                  Cancellation& cancellation);
    std::vector<std::int32_t> slots() const { return state_.slots(); }
    const PlacementView& view() const { return view_; }

  private:
    void place(std::span<const bool> is_open, MatrixView<const float> priced, Rooms& rooms);
    void fill_empty(std::span<const bool> is_open, MatrixView<const float> priced, Rooms& rooms);

    const PlacementView& view_;
    DecoderParams params_;
    PlacementState state_;
    std::vector<std::int32_t> users_, slots_;
};

}  // namespace dtopt
