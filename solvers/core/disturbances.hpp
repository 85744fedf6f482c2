// Disturbances of an iterated local search: close a server, open one, exchange two, or move some users at random.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/random.hpp"
#include "solvers/core/local_search_params.hpp"
#include "solvers/core/placement_state.hpp"

namespace dtopt {

struct Disturbance {
    enum Kind : std::int32_t { CLOSE, OPEN, EXCHANGE, KICK };
    static constexpr Size KINDS = 4;

    Kind kind = CLOSE;
    std::int32_t server = -1;  // the one that is closed, opened, or whose users are moved; −1: nothing to do
    std::int32_t other = -1;   // the one that an exchange opens

    std::int32_t opened() const { return kind == OPEN ? server : kind == EXCHANGE ? other : -1; }
};

class Disturber {
  public:
    Disturber(PlacementState& state, Random& random, const LocalSearchParams& params, bool kicks);

    // Begin iterations at these servers, at those that are listed more often more often.
    void focus(std::vector<std::int32_t> servers) { focus_ = std::move(servers); }
    // Draw a disturbance.
    Disturbance choose();
    // Draw a second one near a server, as fits its state, and make it; return whether that went.
    bool again(std::int32_t near, std::int64_t reach);
    // Make a disturbance; return whether that went. Moves are left in the log where not.
    //
    // The region becomes the users of that place: of the server and of the `reach` open servers nearest to it.
    bool apply(const Disturbance& disturbance, std::int64_t reach);
    std::span<const std::int32_t> region() const { return region_; }

  private:
    PlacementState& state_;
    Random& random_;
    const LocalSearchParams& params_;
    std::int64_t kicks_;
    std::vector<std::int32_t> focus_, region_;

    bool is_open(std::int32_t server) const { return state_.server(server).count() > 0; }
    Disturbance open_or_close(std::int32_t server) const;
    Disturbance exchange_near(std::int32_t server);
    std::int32_t neighbour(std::int32_t server, bool open);
    void gather(std::int32_t center, std::int64_t reach);
    bool evacuate(std::int32_t server);
    void pull(std::int32_t server);
    bool kick(std::int32_t server, std::int64_t reach);
};

}  // namespace dtopt
