// Bindings of the networks: layers, and the forward pass of the placement network.
#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "dtopt/core/binding.hpp"
#include "solvers/core/affine.hpp"
#include "solvers/core/graph_network.hpp"

namespace dtopt {

namespace {

// Require a shape and finite numbers of a weight, and return where its numbers begin.
template <class Array>
const float* checked(const Array& array, std::initializer_list<Size> shape, const std::string& name) {
    Size size = 1, axis = 0;
    for (const Size expected : shape) {
        require(array.shape(axis++) == expected, name + " has another shape");
        size *= expected;
    }
    require_numbers(array.data(), size, name.c_str());
    return array.data();
}

// Return layer r of stacked ones.
Affine layer(const Cube<float>& weight, const Table<float>& bias, Size rounds, Size inputs, Size outputs, Size r,
             const std::string& name) {
    const float* weights = checked(weight, {rounds, outputs, inputs}, name + "_weight");
    const float* biases = checked(bias, {rounds, outputs}, name + "_bias");
    return {weights + r * outputs * inputs, biases + r * outputs, inputs, outputs, true};
}

GraphNetwork make_network(const Table<float>& begin_weight, const Vector<float>& begin_bias,
                          const Cube<float>& terms_weight, const Table<float>& terms_bias,
                          const Cube<float>& inner_weight, const Table<float>& inner_bias,
                          const Cube<float>& outer_weight, const Table<float>& outer_bias,
                          const Cube<float>& sharpness_weight, const Table<float>& sharpness_bias,
                          const Table<float>& final_weight, const Vector<float>& final_bias) {
    const Size width = begin_bias.shape(0), fixed = begin_weight.shape(1), hidden = inner_bias.shape(1);
    const Size rounds = terms_bias.shape(0), heads = sharpness_bias.shape(1), shared = sharpness_weight.shape(2);
    require(width && hidden && rounds && heads, "a bias has no numbers");
    require(shared >= GraphNetwork::LEAST_SHARED && fixed > shared, "sharpness_weight has another shape");
    constexpr Size terms = GraphNetwork::TERMS, news = GraphNetwork::MESSAGES + 1;
    GraphNetwork network;
    network.begin = {checked(begin_weight, {width, fixed}, "begin_weight"),
                     checked(begin_bias, {width}, "begin_bias"), fixed, width, true};
    for (Size r = 0; r < rounds; ++r)
        network.rounds.push_back(
            {layer(terms_weight, terms_bias, rounds, width, terms * heads, r, "terms"),
             layer(inner_weight, inner_bias, rounds, 2 * width + fixed + news * heads, hidden, r, "inner"),
             layer(outer_weight, outer_bias, rounds, hidden, width, r, "outer"),
             layer(sharpness_weight, sharpness_bias, rounds + 1, shared, heads, r, "sharpness")});
    network.final_terms = {checked(final_weight, {terms, width}, "final_weight"),
                           checked(final_bias, {terms}, "final_bias"), width, terms, true};
    network.final_sharpness = layer(sharpness_weight, sharpness_bias, rounds + 1, shared, heads, rounds, "sharpness");
    return network;
}

std::tuple<VectorOut<float>, TableOut<float>> forward(const GraphNetwork& network, const Table<std::int32_t>& station,
                                                      const Table<float>& gap, const Table<float>& part,
                                                      const Vector<float>& size, const Table<float>& server,
                                                      const Vector<float>& cpu, const Vector<float>& shared,
                                                      double crowd) {
    const Size n = size.shape(0), m = cpu.shape(0), width = gap.shape(1);
    Graph graph{copied(station, n, width, "station"),
                {checked(gap, {n, width}, "gap"), n, width},
                {checked(part, {n, width}, "part"), n, width},
                {checked(size, {n}, "size"), n},
                {checked(server, {m, server.shape(1)}, "server"), m, server.shape(1)},
                {checked(cpu, {m}, "cpu"), m},
                {checked(shared, {network.final_sharpness.inputs()}, "shared"), shared.shape(0)},
                crowd,
                width == m};
    require(server.shape(1) + shared.shape(0) == network.begin.inputs(), "server has another number of features");
    require(m > 0 && crowd > 0.0, "there must be a server, and crowd must be above 0");
    require_indices(graph.station.values(), -1, static_cast<std::int64_t>(m), "station");
    for (Size i = 0; i < n; ++i)
        for (Size c = 0; c < width; ++c) {
            std::int32_t& at = graph.station(i, c);
            if (at < 0 && graph.gap(i, c) < INFINITY)
                throw std::invalid_argument("gap must be infinite where station is -1");
            at = std::max(at, 0);
            graph.dense = graph.dense && at == static_cast<std::int32_t>(c);
        }
    GraphAnswer answer;
    {
        nb::gil_scoped_release released;
        answer = network.forward(graph);
    }
    return {as_numpy(std::move(answer.openness)), as_numpy(std::move(answer.priced))};
}

TableOut<float> affine(const Table<float>& x, const Table<float>& weight, const Vector<float>& bias) {
    const Size rows = x.shape(0), inputs = weight.shape(0), outputs = weight.shape(1);
    require(x.shape(1) == inputs && bias.shape(0) == outputs, "x, weight and bias do not fit together");
    const Affine layer(weight.data(), bias.data(), inputs, outputs, false);
    Matrix<float> out(rows, outputs);
    {
        nb::gil_scoped_release released;
        layer.apply({x.data(), rows, inputs}, out);
    }
    return as_numpy(std::move(out));
}

}  // namespace

void bind_networks(nb::module_& module) {
    module.def("affine", &affine, array_arg("x"), array_arg("weight"), array_arg("bias"),
               "Return the rows of x times the weight, plus the bias: the same bits on every CPU, as BLAS has not.");
    nb::class_<GraphNetwork>(module, "GraphNetwork",
                             "The placement network with its weights, as `solvers.policy.forward.Weights` names them.")
        .def("__init__",
             [](GraphNetwork* self, const Table<float>& begin_weight, const Vector<float>& begin_bias,
                const Cube<float>& terms_weight, const Table<float>& terms_bias, const Cube<float>& inner_weight,
                const Table<float>& inner_bias, const Cube<float>& outer_weight, const Table<float>& outer_bias,
                const Cube<float>& sharpness_weight, const Table<float>& sharpness_bias,
                const Table<float>& final_weight, const Vector<float>& final_bias) {
                 new (self) GraphNetwork(make_network(begin_weight, begin_bias, terms_weight, terms_bias, inner_weight,
                                                      inner_bias, outer_weight, outer_bias, sharpness_weight,
                                                      sharpness_bias, final_weight, final_bias));
             },
             array_arg("begin_weight"), array_arg("begin_bias"), array_arg("terms_weight"), array_arg("terms_bias"),
             array_arg("inner_weight"), array_arg("inner_bias"), array_arg("outer_weight"), array_arg("outer_bias"),
             array_arg("sharpness_weight"), array_arg("sharpness_bias"), array_arg("final_weight"),
             array_arg("final_bias"))
        .def_prop_ro("n_server_features",
                     [](const GraphNetwork& n) { return n.begin.inputs() - n.final_sharpness.inputs(); })
        .def_prop_ro("n_shared_features", [](const GraphNetwork& n) { return n.final_sharpness.inputs(); })
        .def("forward", &forward, array_arg("station"), array_arg("gap"), array_arg("part"), array_arg("size"),
             array_arg("server"), array_arg("cpu"), array_arg("shared"), "crowd"_a,
             "Return the log odds that servers are open, shape (M,), and what listed pairs cost, shape (N, C).");
}

}  // namespace dtopt
