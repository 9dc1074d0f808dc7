"""The three routers, on scores worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from arabic_r1_jax.model.config import RouterConfig
from arabic_r1_jax.model.moe import route


def chosen(logits, bias, router, k):
    weights, experts = route(jnp.array(logits, jnp.float32), bias if bias is None else jnp.array(bias), router, k)
    order = np.argsort(experts)
    return np.asarray(experts)[order].tolist(), np.asarray(weights)[order]


def test_softmax_greedy_takes_the_likeliest_and_scales_them():
    experts, weights = chosen([0.0, 2.0, 1.0, -1.0], None, RouterConfig("softmax_greedy", routed_scaling_factor=3.0), 2)
    p = np.exp([2.0, 1.0]) / np.exp([0.0, 2.0, 1.0, -1.0]).sum()
    assert experts == [1, 2]
    np.testing.assert_allclose(weights, 3 * p, rtol=1e-6)


def test_softmax_group_keeps_the_group_of_the_best_single_expert():
    router = RouterConfig("softmax_group", n_group=2, topk_group=1)
    experts, _ = chosen([3.0, -5.0, 2.0, 2.0], None, router, 2)  # group 0 has the best expert, group 1 the better pair
    assert experts == [0, 1]


def test_softmax_group_gives_no_weight_beyond_the_kept_groups():
    experts, weights = chosen([3.0, 0.0, 2.0, 2.0], None, RouterConfig("softmax_group", n_group=2, topk_group=1), 3)
    assert experts[:2] == [0, 1]
    assert weights[2] == 0


def test_sigmoid_bias_chooses_groups_by_their_two_best():
    router = RouterConfig("sigmoid_bias", n_group=2, topk_group=1)
    assert chosen([3.0, -5.0, 2.0, 2.0], [0.0] * 4, router, 2)[0] == [2, 3]


def test_the_bias_chooses_and_unbiased_scores_weigh():
    router = RouterConfig("sigmoid_bias", norm_topk_prob=True, routed_scaling_factor=2.5)
    experts, weights = chosen([0.0, 1.0, -1.0, -2.0], [0.0, -5.0, 0.0, 5.0], router, 2)
    s = 1 / (1 + np.exp([0.0, 2.0]))
    assert experts == [0, 3]
    np.testing.assert_allclose(weights, 2.5 * s / s.sum(), rtol=1e-6)


def test_a_negative_bias_may_make_every_choice_score_negative():
    router = RouterConfig("sigmoid_bias", n_group=2, topk_group=1)
    experts, weights = chosen([1.0, 2.0, 0.0, 0.5], [-9.0, -9.0, -8.0, -8.0], router, 2)
    assert experts == [2, 3]
    assert (weights > 0).all()


def test_gradients_reach_weights_and_not_the_bias():
    router = RouterConfig("sigmoid_bias", norm_topk_prob=True)
    logits, bias = jnp.array([0.3, -0.2, 0.5]), jnp.array([0.1, 0.2, -0.1])
    d_logits, d_bias = jax.grad(lambda x, b: (route(x, b, router, 2)[0] * jnp.array([1.0, 2.0])).sum(), (0, 1))(
        logits, bias
    )
    assert jnp.abs(d_logits).max() > 0
    assert jnp.abs(d_bias).max() == 0
