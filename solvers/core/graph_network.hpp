// The forward pass of the placement network; `solvers.policy.model` describes it, in PyTorch, and trains it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "solvers/core/affine.hpp"

namespace dtopt {

// A problem as the network sees it, without units; `solvers.policy.graph.Graph` has what the fields are.
struct Graph {
    Matrix<std::int32_t> station;       // (N, C): servers of listed pairs; any server where a pair does not exist
    MatrixView<const float> gap, part;  // (N, C); the gap of what is no pair is infinite
    std::span<const float> size;        // (N,)
    MatrixView<const float> server;     // (M, features)
    std::span<const float> cpu;         // (M,)
    std::span<const float> shared;      // features of the instance
    double crowd = 1.0;
    bool dense = false;                 // whether pair c of every user is that with server c

    Size users() const { return size.size(); }
    Size servers() const { return cpu.size(); }
    Size width() const { return gap.columns(); }
};

struct GraphAnswer {
    std::vector<float> openness;  // (M,): log odds that servers are open
    Matrix<float> priced;         // (N, C): what pairs cost at the servers' prices
};

struct GraphNetwork {
    // Numbers that a server names for each head, and that it hears; see `Policy.messages`.
    static constexpr Size TERMS = 5, MESSAGES = 7;
    // Features of the instance that the pass itself uses.
    enum Shared : Size { COMPUTE = 0, OPENING = 1, OPTIMAL = 6, EQUAL = 7, LEAST_SHARED = 8 };

    struct Round {
        Affine terms, inner, outer, sharpness;
    };

    Affine begin;               // features of a server and of the instance to its state
    std::vector<Round> rounds;
    Affine final_terms, final_sharpness;

    Size heads() const { return final_sharpness.outputs(); }
    GraphAnswer forward(const Graph& graph) const;
};

}  // namespace dtopt
