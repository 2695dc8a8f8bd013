package cluster

func didYouMean(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " Did you mean " + printable(names[0]) + "?"
	}
	return " Did you mean one of " + listed(names) + "?"
}
