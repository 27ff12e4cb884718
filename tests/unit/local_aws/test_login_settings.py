# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cognito: defaults, updates that reset what they leave out, domains, users and branding."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.refusals import refused
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.sandbox import Account
from ansible_collections.gatehouse.fargate.tests.unit.local_aws.site import (
    CERTIFICATE_REGION,
    create_zone,
    issue,
    upsert,
)

NAME = "login.example.com"
CALLBACK = f"https://{NAME}/oauth2/idpresponse"
OAUTH = {"AllowedOAuthFlowsUserPoolClient": True, "AllowedOAuthFlows": ["code"], "AllowedOAuthScopes": ["openid"]}


@pytest.fixture
def cognito(account: Account) -> Any:
    return account.client("cognito-idp")


@pytest.fixture
def pool(cognito: Any) -> str:
    created = cognito.create_user_pool(PoolName="pool", AliasAttributes=["email"], AutoVerifiedAttributes=["email"])
    return str(created["UserPool"]["Id"])


def test_pool_defaults(cognito: Any, pool: str) -> None:
    found = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    assert found["Policies"]["SignInPolicy"] == {"AllowedFirstAuthFactors": ["PASSWORD"]}
    assert found["AdminCreateUserConfig"]["UnusedAccountValidityDays"] == 7
    assert len(found["AccountRecoverySetting"]["RecoveryMechanisms"]) == 2


def test_update_resets_what_it_leaves_out(cognito: Any, pool: str) -> None:
    cognito.update_user_pool(UserPoolId=pool, PoolName="renamed")
    found = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    assert found["Name"] == "renamed"
    assert not found.get("AutoVerifiedAttributes")


def test_protected_pool_stays(cognito: Any, pool: str) -> None:
    cognito.update_user_pool(UserPoolId=pool, DeletionProtection="ACTIVE")
    with refused("InvalidParameterException", "deletion protection"):
        cognito.delete_user_pool(UserPoolId=pool)


def test_client_update_resets_what_it_leaves_out(cognito: Any, pool: str) -> None:
    wanted = {"UserPoolId": pool, "ClientName": "client", "CallbackURLs": [CALLBACK], **OAUTH}
    client = cognito.create_user_pool_client(**wanted)["UserPoolClient"]["ClientId"]
    cognito.update_user_pool_client(UserPoolId=pool, ClientId=client)
    found = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"]
    assert not found["CallbackURLs"]
    assert found["AllowedOAuthFlowsUserPoolClient"] is False


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"CallbackURLs": []}, "InvalidOAuthFlowException"),
        ({"CallbackURLs": ["http://example.com/"]}, "InvalidParameterException"),
        ({"SupportedIdentityProviders": ["Nobody"]}, "InvalidParameterException"),
    ],
)
def test_client_that_is_refused(cognito: Any, pool: str, change: dict[str, Any], code: str) -> None:
    with refused(code):
        cognito.create_user_pool_client(
            **{"UserPoolId": pool, "ClientName": "client", "CallbackURLs": [CALLBACK], **OAUTH, **change}
        )


def test_custom_domain_needs_parent_and_certificate(account: Account, cognito: Any, pool: str) -> None:
    zone, domain = create_zone(account, NAME), f"auth.{NAME}"
    regional, right = issue(account, zone, domain), issue(account, zone, domain, CERTIFICATE_REGION)
    wrong_name = issue(account, zone, f"other.{NAME}", CERTIFICATE_REGION)
    pending = account.client("acm", CERTIFICATE_REGION).request_certificate(DomainName="pending.example.com")

    def create(certificate: str) -> None:
        config = {"CertificateArn": certificate}
        cognito.create_user_pool_domain(UserPoolId=pool, Domain=domain, CustomDomainConfig=config)

    for certificate in (regional, wrong_name, pending["CertificateArn"]):
        with refused("InvalidParameterException", "ertificate"):
            create(certificate)
    with refused("InvalidParameterException", "DNS A record for the parent domain"):
        create(right)
    address = {"Name": NAME, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    upsert(account, zone, address)
    create(right)
    found = cognito.describe_user_pool_domain(Domain=domain)["DomainDescription"]
    assert (found["Status"], found["AWSAccountId"]) == ("ACTIVE", account.number)
    users = account.client("acm", CERTIFICATE_REGION).describe_certificate(CertificateArn=right)["Certificate"][
        "InUseBy"
    ]
    assert [arn.split(":")[2] for arn in users] == ["cloudfront"]
    with refused("InvalidParameterException", "domain configured"):
        cognito.delete_user_pool(UserPoolId=pool)
    cognito.delete_user_pool_domain(UserPoolId=pool, Domain=domain)
    assert not cognito.describe_user_pool_domain(Domain=domain)["DomainDescription"]


def test_missing_domain_cannot_be_deleted(cognito: Any, pool: str) -> None:
    with refused("InvalidParameterException"):
        cognito.delete_user_pool_domain(UserPoolId=pool, Domain="auth.missing.example.com")


def add_user(cognito: Any, pool: str, name: str, email: str) -> None:
    attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
    cognito.admin_create_user(UserPoolId=pool, Username=name, UserAttributes=attributes, MessageAction="SUPPRESS")


def test_users(cognito: Any, pool: str) -> None:
    add_user(cognito, pool, "alice", "a@example.com")
    with refused("AliasExistsException"):
        add_user(cognito, pool, "bob", "a@example.com")
    unknown = [{"Name": "custom:unknown", "Value": "1"}]
    with refused("InvalidParameterException", "custom:unknown"):
        cognito.admin_update_user_attributes(UserPoolId=pool, Username="alice", UserAttributes=unknown)
    cognito.admin_delete_user_attributes(UserPoolId=pool, Username="alice", UserAttributeNames=["email_verified"])
    listed = cognito.list_users(UserPoolId=pool, AttributesToGet=["email", "email_verified"])["Users"]
    assert [one["Attributes"] for one in listed] == [[{"Name": "email", "Value": "a@example.com"}]]


def test_names_in_any_case(cognito: Any) -> None:
    configuration = {"CaseSensitive": False}
    pool = cognito.create_user_pool(PoolName="any", UsernameConfiguration=configuration)["UserPool"]["Id"]
    add_user(cognito, pool, "Alice", "a@example.com")
    assert cognito.admin_get_user(UserPoolId=pool, Username="aLICE")["Username"] == "Alice"


def test_branding(cognito: Any, pool: str) -> None:
    client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="client")["UserPoolClient"]["ClientId"]
    wanted = {"UserPoolId": pool, "ClientId": client}
    with refused("ResourceNotFoundException"):
        cognito.describe_managed_login_branding_by_client(**wanted)
    with refused("InvalidParameterException"):
        cognito.create_managed_login_branding(**wanted)
    cognito.create_managed_login_branding(**wanted, UseCognitoProvidedValues=True)
    with refused("ManagedLoginBrandingExistsException"):
        cognito.create_managed_login_branding(**wanted, UseCognitoProvidedValues=True)
