package connection

import (
	"slices"
	"strings"

	"redline/internal/secret"
)

// MaskArgs is a command line in which the values of secret properties are ****: of
// "-X sasl.password=…", "--command-property=ssl.key.password=…" and every other way to
// write KEY=VALUE, and of flags that sound secret, such as a mistyped
// "--sasl-password …". What enters stays as it is.
func MaskArgs(args []string) []string {
	masked := slices.Clone(args)
	for i, arg := range masked {
		if i > 0 && isSecretFlag(masked[i-1]) && !strings.HasPrefix(arg, "-") {
			masked[i] = secret.Mask
			continue
		}
		masked[i] = maskPair(arg)
	}
	return masked
}

// maskPair masks what stands after the first secret key of an argument.
func maskPair(arg string) string {
	start := 0
	for at := 0; at < len(arg); at++ {
		if arg[at] != '=' {
			continue
		}
		if key := arg[start:at]; isSecretFlag(key) || isSecretKey(key) {
			return arg[:at+1] + secret.Mask
		}
		start = at + 1
	}
	return arg
}

// isSecretKey looks at the end of a word such as -Xsasl.password too.
func isSecretKey(word string) bool {
	word = strings.TrimSpace(word)
	if _, joined, found := strings.Cut(word, "X"); found && strings.HasPrefix(word, "-") {
		word = joined
	}
	return !strings.HasPrefix(word, "--") && isSecret(strings.TrimSpace(word))
}

// isSecretFlag says whether a flag's name sounds like a secret itself, and not like a
// file or command that gives one.
func isSecretFlag(arg string) bool {
	name, long := strings.CutPrefix(arg, "--")
	if !long || strings.Contains(name, "=") {
		return false
	}
	name = strings.ReplaceAll(name, "-", ".")
	return isSecret(name) && !strings.HasSuffix(name, ".file") && !strings.HasSuffix(name, ".command") && !strings.HasSuffix(name, ".credentials")
}
