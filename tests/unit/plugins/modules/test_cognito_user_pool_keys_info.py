# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.plugins.module_utils._plan import KNOWN_AFTER_APPLY
from ansible_collections.gatehouse.fargate.plugins.modules import cognito_user_pool_keys_info as subject

ENDPOINT = "https://cognito-idp.eu-west-1.amazonaws.com"
ISSUER = f"{ENDPOINT}/eu-west-1_abc"
FIRST = {"kid": "a", "kty": "RSA", "alg": "RS256", "use": "sig", "n": "xyz", "e": "AQAB"}
SECOND = {**FIRST, "kid": "b"}


def answering(*keys: dict[str, Any]) -> subject.Fetch:
    pages: dict[str, dict[str, Any]] = {
        f"{ISSUER}/.well-known/jwks.json": {"keys": list(keys)},
        f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER},
    }
    return lambda address: pages[address]


def test_the_keys_of_a_pool() -> None:
    found = subject.look_up(ENDPOINT, "eu-west-1_abc", answering(FIRST, SECOND))
    assert found["issuer"] == ISSUER
    assert found["key_ids"] == ["a", "b"]
    assert json.loads(found["key_set"]) == {"keys": [FIRST, SECOND]}


@pytest.mark.parametrize("keys", [(SECOND, FIRST), (FIRST, {**SECOND, "x5t": "new"})])
def test_the_same_keys_make_the_same_text(keys: tuple[dict[str, Any], ...]) -> None:
    usual = subject.look_up(ENDPOINT, "eu-west-1_abc", answering(FIRST, SECOND))
    assert subject.look_up(f"{ENDPOINT}/", "eu-west-1_abc", answering(*keys)) == usual


def test_a_pool_that_does_not_exist_yet_is_not_asked() -> None:
    found = subject.look_up(ENDPOINT, KNOWN_AFTER_APPLY, answering())
    assert found["key_set"] == KNOWN_AFTER_APPLY
