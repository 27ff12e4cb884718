# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import boto3
import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.gatehouse.fargate.plugins.modules import s3_log_bucket as subject
from botocore.stub import Stubber

PLACE = subject.Place(partition="aws", account="123456789012", region="eu-west-1")
DESIRED: dict[str, Any] = {
    "name": "hello-logs",
    "state": "present",
    "prefix": "",
    "expire_days": 90,
    "force": False,
    "tags": {"gatehouse:stack": "hello"},
    "purge_tags": True,
}
CURRENT: dict[str, Any] = {
    "name": "hello-logs",
    **subject.desired_fields(DESIRED, PLACE),
    "tags": {"gatehouse:stack": "hello"},
}


@pytest.fixture
def s3() -> Any:
    return boto3.client("s3", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def test_an_empty_account_gets_the_bucket() -> None:
    (change,) = subject.plan({}, DESIRED, PLACE).changes
    assert (change.action.value, change.after) == ("create", CURRENT)


def test_a_converged_bucket_is_left_alone() -> None:
    assert subject.plan(CURRENT, DESIRED, PLACE).changes == ()


def test_a_policy_in_another_order_is_left_alone() -> None:
    reordered = {**CURRENT["policy"], "Statement": CURRENT["policy"]["Statement"][::-1]}
    assert subject.plan({**CURRENT, "policy": reordered}, DESIRED, PLACE).changes == ()


@pytest.mark.parametrize(
    ("field", "drifted"),
    [
        ("encryption", "aws:kms"),
        ("encryption", None),
        ("public_access_block", False),
        ("object_ownership", "ObjectWriter"),
        ("versioning", True),
        ("policy", {}),
        ("policy", {**CURRENT["policy"], "Statement": CURRENT["policy"]["Statement"][:1]}),
        ("expire_days", 0),
        ("expire_days", None),
        ("tags", {}),
    ],
)
def test_drift_is_found_field_by_field(field: str, drifted: Any) -> None:
    (change,) = subject.plan({**CURRENT, field: drifted}, DESIRED, PLACE).changes
    assert (change.action.value, change.before, change.after) == ("update", {field: drifted}, {field: CURRENT[field]})


@pytest.mark.parametrize(("prefix", "folder"), [("", ""), ("web", "web/"), ("/web/", "web/")])
def test_load_balancers_may_write_below_the_own_account_only(prefix: str, folder: str) -> None:
    write, tls = subject.bucket_policy({**DESIRED, "prefix": prefix}, PLACE)["Statement"]
    assert write["Resource"] == f"arn:aws:s3:::hello-logs/{folder}AWSLogs/123456789012/*"
    assert write["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    source = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/*"
    assert write["Condition"] == {"ArnLike": {"aws:SourceArn": source}}
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize(
    ("rules", "days"),
    [
        ([], 0),
        (subject.lifecycle_rules(30), 30),
        ([{**subject.lifecycle_rules(30)[0], "Filter": {}}], 30),
        ([{**subject.lifecycle_rules(30)[0], "Status": "Disabled"}], None),
        ([{**subject.lifecycle_rules(30)[0], "Filter": {"Prefix": "web/"}}], None),
        (subject.lifecycle_rules(30) * 2, None),
    ],
)
def test_only_the_own_lifecycle_is_read_as_days(rules: list[dict[str, Any]], days: int | None) -> None:
    assert subject.expire_days(rules) == days


def test_creation_satisfies_the_api(s3: Any) -> None:
    with Stubber(s3) as stubber:
        for method in (
            "create_bucket",
            "put_bucket_encryption",
            "put_public_access_block",
            "put_bucket_ownership_controls",
            "put_bucket_policy",
            "put_bucket_lifecycle_configuration",
            "put_bucket_tagging",
        ):
            stubber.add_response(method, {})
        subject.apply(s3, subject.plan({}, DESIRED, PLACE), PLACE, False)
        stubber.assert_no_pending_responses()


def test_versions_are_suspended(s3: Any) -> None:
    with Stubber(s3) as stubber:
        suspended = {"Bucket": "hello-logs", "VersioningConfiguration": {"Status": "Suspended"}}
        stubber.add_response("put_bucket_versioning", {}, suspended)
        subject.apply(s3, subject.plan({**CURRENT, "versioning": True}, DESIRED, PLACE), PLACE, False)
        stubber.assert_no_pending_responses()


def test_a_bucket_without_settings_is_described(s3: Any) -> None:
    with Stubber(s3) as stubber:
        owned = {"Bucket": "hello-logs", "ExpectedBucketOwner": "123456789012"}
        stubber.add_client_error("get_bucket_tagging", "NoSuchTagSet", expected_params=owned)
        stubber.add_client_error("get_public_access_block", "NoSuchPublicAccessBlockConfiguration")
        stubber.add_client_error("get_bucket_policy", "NoSuchBucketPolicy")
        stubber.add_client_error("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration")
        stubber.add_client_error("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError")
        stubber.add_client_error("get_bucket_ownership_controls", "OwnershipControlsNotFoundError")
        stubber.add_response("get_bucket_versioning", {})
        found = subject.describe(s3, "hello-logs", "123456789012")
    (change,) = subject.plan(found, DESIRED, PLACE).changes
    assert set(change.after) == set(CURRENT) - {"name", "versioning"}


def test_a_bucket_that_is_not_there_is_described_as_nothing(s3: Any) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_bucket_tagging", "NoSuchBucket", http_status_code=404)
        assert subject.describe(s3, "hello-logs", "123456789012") == {}


def test_a_bucket_of_another_account_is_an_error(s3: Any) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_bucket_tagging", "AccessDenied", http_status_code=403)
        with pytest.raises(AnsibleAWSError, match="which may belong to another account"):
            subject.describe(s3, "hello-logs", "123456789012")


def test_logs_are_deleted_only_by_force(s3: Any) -> None:
    planned = subject.plan(CURRENT, {**DESIRED, "state": "absent"}, PLACE)
    with Stubber(s3) as stubber:
        stubber.add_client_error("delete_bucket", "BucketNotEmpty")
        with pytest.raises(AnsibleAWSError, match="set force to delete its logs as well"):
            subject.apply(s3, planned, PLACE, force=False)


def test_force_deletes_every_version(s3: Any) -> None:
    planned = subject.plan(CURRENT, {**DESIRED, "state": "absent"}, PLACE)
    held = {"Versions": [{"Key": "log", "VersionId": "1"}], "DeleteMarkers": [{"Key": "old", "VersionId": "2"}]}
    deleted = {"Objects": [{"Key": "log", "VersionId": "1"}, {"Key": "old", "VersionId": "2"}], "Quiet": True}
    with Stubber(s3) as stubber:
        stubber.add_response("list_object_versions", held)
        stubber.add_response("delete_objects", {}, {"Bucket": "hello-logs", "Delete": deleted})
        stubber.add_response("delete_bucket", {})
        subject.apply(s3, planned, PLACE, force=True)
        stubber.assert_no_pending_responses()
