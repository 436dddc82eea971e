# The built-in rules as a table in C: awk -f tools/rules.awk src/analyse/memtrace.rules
# Their form is told in the file itself; src/analyse/rules_parse.c reads it, and a unit test compares.
function fail(why) {
	printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
	failed = 1
	exit 1
}
/^[ \t]*(#|$)/ { next }
{
	n = 0
	rest = $0
	while (match(rest, /^[ \t]*("[^"]*"|[^ \t"#]+)/)) {
		word = substr(rest, RSTART, RLENGTH)
		rest = substr(rest, RSTART + RLENGTH)
		gsub(/^[ \t]+|"/, "", word)
		words[++n] = word
	}
	if (rest !~ /^[ \t]*(#.*)?$/ || n < 2)
		fail("no rule")
	kind = "NONE"
	confidence = 0
	symbol = "NULL"
	for (i = 3; i <= n; i++)
		if (words[i] ~ /^kind=/)
			kind = substr(words[i], 6)
		else if (words[i] ~ /^confidence=/)
			confidence = substr(words[i], 12)
		else if (i == 3)
			symbol = "\"" words[i] "\""
		else
			fail("not understood: " words[i])
	gsub("-", "_", words[1])
	printf "RULE(%s, \"%s\", %s, %s, %s, %d)\n", words[1], words[2], symbol, kind, confidence, FNR
}
