"""Ranges and conditions (RFC 9110 sections 13 and 14) to ask a server for, of files of 13 bytes and
others that were all modified at one time."""
import os
from email.utils import formatdate

BASE = 1700000000  # when all files were modified
RANGES = ["bytes=0-0", "bytes=0-4", "bytes=5-", "bytes=-3", "bytes=-1", "bytes=-99999999",
          "bytes=0-99999999", "bytes=12-12", "bytes=13-", "bytes=12-", "bytes=99999999-",
          "bytes=-0", "BYTES=0-1", "bytes=0-0,-1", "bytes=2-1", "bytes=x-1", "bytes=", "bytes=-",
          "lines=0-1", "bytes 0-1", "bytes=0-1-2", "bytes=+1-2", "bytes=99999999-,100000000-",
          "bytes=18446744073709551615-", "bytes=0-18446744073709551616"]
# {same}, {old} and {new} are dates: that of the file, and before and after it. {etag} is its own.
CONDITIONS = [
    ["If-Modified-Since: {same}"], ["If-Modified-Since: {old}"], ["If-Modified-Since: {new}"],
    ["If-Modified-Since: yesterday"], ["If-Modified-Since: {rfc850}"],
    ["If-Modified-Since: {asctime}"], ["If-Modified-Since: {same}", "If-None-Match: \"x\""],
    ["If-Unmodified-Since: {same}"], ["If-Unmodified-Since: {old}"],
    ["If-Unmodified-Since: {new}"], ["If-Unmodified-Since: yesterday"],
    ["If-Unmodified-Since: {old}", "If-Match: {etag}"], ["If-Match: {etag}"], ["If-Match: *"],
    ["If-Match: \"x\""], ["If-Match: \"x\", {etag}"], ["If-Match: W/{etag}"],
    ["If-None-Match: {etag}"], ["If-None-Match: *"], ["If-None-Match: \"x\""],
    ["If-None-Match: \"x\", {etag}"], ["If-None-Match: W/{etag}"], ["If-None-Match: \"x\",,"],
    ["If-None-Match: {etag}", "If-Modified-Since: {old}"],
    ["If-Match: {etag}", "If-None-Match: {etag}"], ["If-Match: \"x\"", "If-None-Match: {etag}"],
    ["Range: bytes=0-4", "If-Range: {etag}"], ["Range: bytes=0-4", "If-Range: \"x\""],
    ["Range: bytes=0-4", "If-Range: W/{etag}"], ["Range: bytes=0-4", "If-Range: {same}"],
    ["Range: bytes=0-4", "If-Range: {old}"], ["Range: bytes=0-4", "If-Range: {new}"],
    ["Range: bytes=99-", "If-Range: \"x\""], ["Range: bytes=0-4", "If-None-Match: {etag}"],
    ["Range: bytes=0-4", "If-Match: \"x\""], ["Range: bytes=99-", "If-None-Match: {etag}"],
    ["Range: bytes=99-", "If-Match: \"x\""], ["Range: bytes=0-4", "If-Modified-Since: {same}"],
    ["Range: bytes=0-4", "If-Unmodified-Since: {old}"],
]


def age(folder):
    """All files beneath it are as old as conditions think they are."""
    for path in folder.rglob("*"):
        os.utime(path, (BASE, BASE))


def words(etag):
    """What stands for the names in braces, where the file has this ETag."""
    return {"etag": etag, "same": formatdate(BASE, usegmt=True),
            "old": formatdate(BASE - 1, usegmt=True), "new": formatdate(BASE + 1, usegmt=True),
            "rfc850": "Tuesday, 14-Nov-23 22:13:20 GMT", "asctime": "Tue Nov 14 22:13:20 2023"}
