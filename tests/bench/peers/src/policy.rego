# The decision of the bench.
package wardlock

import rego.v1

default answer := {"verdict": "deny", "edits": [], "code": "denied", "message": "no read"}

answer := {
	"verdict": "shape",
	"edits": [
		["set-query", "per_page", "50"],
		["set-header", "accept-language", "en"],
	],
	"code": "narrowed",
	"message": "at most 50 records a page, in English",
} if {
	input.method == "GET"
	count(input.headers) > 0
}
