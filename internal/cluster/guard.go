package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// maxNamed bounds how many names an error lists.
const maxNamed = 10

// GuardOptions is what somebody typed, or a context says, about the cluster that
// a command is to put load on.
type GuardOptions struct {
	// Target is the cluster's id (--target); needed where it is not on this machine.
	Target string
	// Context is the name of the context that the connection came from, and
	// Protected whether it is marked so.
	Context   string
	Protected bool
	// YesOn repeats that name (--yes-on); needed where it is protected.
	YesOn string
}

// Guard stands before everything that puts load on a cluster. It lets pass when
// all that the cluster advertises is on this machine, and when the target is the
// cluster's id, typed by someone who has seen it; and Protect must let pass too.
// Else the error wraps ErrNotAllowed and shows whose cluster this may be: its
// brokers, its topics, and what to type.
func (c *Cluster) Guard(ctx context.Context, o GuardOptions) error {
	if err := Protect(o.Context, o.Protected, o.YesOn); err != nil {
		return err
	}
	if c.loopback || o.Target != "" && o.Target == c.id {
		return nil
	}
	why := "This is not a cluster on this machine"
	if o.Target != "" {
		why = fmt.Sprintf("--target %s names another cluster than this one", printable(o.Target))
	}
	do := "If you mean it, add --target " + printable(c.id) + "."
	if c.id == "" {
		do = "It has no id to name with --target, so redline puts no load on it."
	}
	return notAllowed(KindGuard, nil, "%s: its brokers are %s, and it holds %s. %s", why, c.brokerNames(), c.topicNames(ctx), do)
}

// Protect stands before everything that loads, creates or deletes. It lets pass
// unless the connection came from a context that is protected and yesOn does not
// repeat that context's name, wherever its cluster is. Else the error wraps
// ErrNotAllowed.
func Protect(context string, protected bool, yesOn string) error {
	if !protected || yesOn == context && context != "" {
		return nil
	}
	why := ""
	if yesOn != "" {
		why = fmt.Sprintf(", and --yes-on %s names another", printable(yesOn))
	}
	return notAllowed(KindProtected, nil, "context %s is protected%s: redline neither loads nor creates nor deletes there by accident. If you mean it, add --yes-on %[1]s.", printable(context), why)
}

func (c *Cluster) brokerNames() string {
	var names []string
	for _, b := range c.brokers {
		names = append(names, printable(b.Address()))
	}
	return listed(names)
}

func (c *Cluster) topicNames(ctx context.Context) string {
	topics, err := c.ListTopics(ctx)
	switch {
	case err != nil:
		return "topics that this user may not list"
	case len(topics) == 0:
		return "no topics"
	}
	return count(len(topics), "topic") + " (" + listed(topics) + ")"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// listed is the first names and a mark when there are more.
func listed(names []string) string {
	more := ""
	if len(names) > maxNamed {
		names, more = names[:maxNamed], ", …"
	}
	shown := make([]string, len(names))
	for i, n := range names {
		shown[i] = printable(n)
	}
	return strings.Join(shown, ", ") + more
}

// printable quotes what a well-behaved cluster would not send, so that a name
// cannot pass for a part of our sentence.
func printable(s string) string {
	const longest = 300
	if len(s) > longest {
		s = s[:longest]
	}
	for _, r := range s {
		if !isNameRune(r) && !strings.ContainsRune(":[]", r) {
			return strconv.Quote(s)
		}
	}
	return s
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
}
