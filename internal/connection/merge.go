package connection

import (
	"cmp"
	"slices"
	"strings"

	"redline/internal/secret"
	"redline/internal/security"
)

// merged are the settings in force, by canonical key.
type merged map[string]setting

func (m merged) get(key string) string { return m[key].value() }
func (m merged) has(key string) bool   { _, ok := m[key]; return ok }

// connect merges the sources, strongest first, and builds the connection.
func (r *resolver) connect(sources []source) (*Connection, error) {
	m := r.merge(sources)
	r.expandAll(m)
	if err := r.err(); err != nil {
		return nil, err
	}
	c := &Connection{Context: r.context, Protected: r.protected, ClientID: DefaultClientID}
	if !m.has("bootstrap.servers") {
		return nil, settingsError("no broker is named: name one with -b HOST:PORT, or bootstrap.servers in a file or context")
	}
	c.Brokers, _ = ParseBrokers(m.get("bootstrap.servers"))
	if m.has("client.id") {
		c.ClientID = m.get("client.id")
	} else {
		m["client.id"] = byDefault("client.id", DefaultClientID)
	}
	encrypted, authenticated := r.protocol(m)
	if err := r.err(); err != nil {
		return nil, err
	}
	c.Security = r.build(m, encrypted, authenticated)
	if err := r.err(); err != nil {
		return nil, err
	}
	if err := mayGoUnencrypted(m, c); err != nil {
		return nil, err
	}
	c.Warnings, c.Overridden = r.warnings, r.overridden
	c.list(m)
	return c, nil
}

func byDefault(key, value string) setting {
	return setting{Entry: Entry{Key: key, Typed: key, Value: secret.New(value), Connecting: true, Origin: Default}, row: find(key), kind: fromFallback}
}

// list sorts what is in force into the lists of the Connection.
func (c *Connection) list(m merged) {
	for _, key := range sortedKeys(m) {
		s := m[key]
		c.Entries = append(c.Entries, s.Entry)
		switch {
		case s.row != nil:
		case s.kind == fromPairs:
			c.Strict = append(c.Strict, s.Entry)
		default:
			c.Shared = append(c.Shared, s.Entry)
		}
	}
}

// merge lets the strongest source of each key win, as far as the key belongs to the
// form of its group that counts.
func (r *resolver) merge(sources []source) merged {
	for rank, s := range sources {
		for key, one := range s.settings {
			one.rank = rank
			s.settings[key] = one
		}
	}
	chosen := map[form]setting{}
	for _, group := range groups {
		anchor, found := r.choose(group, sources)
		for _, f := range group {
			if found {
				chosen[f] = anchor
			}
		}
	}
	m := merged{}
	for _, s := range sources {
		for _, key := range sortedKeys(s.settings) {
			one := s.settings[key]
			if m.has(key) || !belongs(one, chosen, s) {
				r.overridden = append(r.overridden, one.Entry)
				continue
			}
			m[key] = one
		}
	}
	return m
}

// choose finds the setting that decides on the form of a group: that of the strongest
// source which has one.
func (r *resolver) choose(group []form, sources []source) (setting, bool) {
	off := map[string]bool{} // switched off by a stronger source
	for _, s := range sources {
		var found []setting
		for _, f := range group {
			for _, key := range sortedKeys(s.settings) {
				one := s.settings[key]
				switch {
				case one.row == nil || !one.row.anchor || one.row.forms[0] != f || off[key]:
				case one.decides():
					found = append(found, one)
				default:
					off[key] = true
				}
			}
		}
		if len(found) == 0 {
			continue
		}
		for _, other := range found[1:] {
			r.contradict(s.kind, found[0], other)
		}
		return found[0], true
	}
	return setting{}, false
}

// contradict says that of two settings of one source only the first can count.
func (r *resolver) contradict(k kind, first, second setting) {
	if k == fromFile {
		r.warn(second.Origin, "%s is left out, since %s (%s) says the same thing another way", second.Typed, first.Typed, first.Origin)
		return
	}
	r.refuse(second.Origin, "%s and %s (%s) are two ways to say one thing: leave one of them out", second.Typed, first.Typed, first.Origin)
}

// belongs says whether a setting goes with the form that counts in its group. A
// password belongs to the user, or the store, that its own source names; from a
// source that names none it goes with any.
func belongs(one setting, chosen map[form]setting, s source) bool {
	if one.row == nil || len(one.row.forms) == 0 {
		return true
	}
	anchor, decided := chosen[one.row.forms[0]]
	if !decided {
		return true
	}
	if one.row.anchor {
		return one.Key == anchor.Key || !one.decides()
	}
	if !slices.Contains(one.row.forms, anchor.row.forms[0]) {
		return false
	}
	for _, other := range s.settings {
		if other.decides() && slices.Equal(other.row.groupOf(), one.row.groupOf()) && (other.Key != anchor.Key || other.value() != anchor.value()) {
			return false
		}
	}
	return true
}

// expandAll puts in what the values in force refer to, and looks at them.
func (r *resolver) expandAll(m merged) {
	for _, key := range sortedKeys(m) {
		s := m[key]
		value, err := r.expand(s.value())
		if err != nil {
			r.refuse(s.Origin, "%s: %v", s.Typed, err)
			continue
		}
		if s.row != nil && !s.Secret {
			value = strings.TrimSpace(value) // as Java does, but for passwords
		}
		s.Value = secret.New(value)
		m[key] = s
		if s.row == nil || s.row.check == nil {
			continue
		}
		if err := s.row.check(value); err != nil {
			r.refuseValue(s, err)
		}
	}
}

// refuseValue refuses a value, and shows it unless it is a secret.
func (r *resolver) refuseValue(s setting, err error) {
	if s.Secret {
		r.refuse(s.Origin, "%s: %w", s.Typed, err)
		return
	}
	r.refuse(s.Origin, "%s=%s: %w", s.Typed, s.Shown(), err)
}

// protocol decides whether the connection is encrypted, and whether we are somebody
// on it, and puts the security.protocol of that in force.
func (r *resolver) protocol(m merged) (encrypted, authenticated bool) {
	var tls, sasl []statement
	if s, said := m["security.protocol"]; said {
		name := strings.ToUpper(s.value())
		tls = append(tls, statement{strings.HasSuffix(name, "SSL"), true, s})
		sasl = append(sasl, statement{strings.HasPrefix(name, "SASL"), true, s})
	}
	if s, said := m["redline.tls"]; said {
		tls = append(tls, statement{strings.EqualFold(s.value(), "true"), true, s})
	}
	if s, said := m["enable.ssl.certificate.verification"]; said && strings.EqualFold(s.value(), "false") {
		tls = append(tls, statement{true, false, s})
	}
	for _, key := range sortedKeys(m) {
		s := m[key]
		off := s.row != nil && s.row.anchor && !s.decides()
		if s.row != nil && s.row.tls {
			tls = append(tls, statement{true, false, s})
		}
		if s.row != nil && s.row.sasl && !off {
			sasl = append(sasl, statement{true, false, s})
		}
	}
	encrypted, byTLS := r.decide(tls)
	authenticated, bySASL := r.decide(sasl)
	r.putProtocol(m, encrypted, authenticated, byTLS, bySASL)
	return encrypted, authenticated
}

// putProtocol makes the entry agree with what was decided. Its origin is that of the
// setting which asked for more than security.protocol said.
func (r *resolver) putProtocol(m merged, encrypted, authenticated bool, byTLS, bySASL setting) {
	named := security.Security{}
	if encrypted {
		named.TLS = &security.TLS{}
	}
	if authenticated {
		named.SASL = &security.SASL{}
	}
	old, said := m["security.protocol"]
	if said && strings.EqualFold(old.value(), named.Protocol()) {
		return
	}
	entry := byDefault("security.protocol", named.Protocol())
	for _, by := range []setting{byTLS, bySASL} {
		if by.row != nil && by.Key != "security.protocol" {
			entry.Typed, entry.Origin = by.Typed, by.Origin
			break
		}
	}
	if said {
		r.overridden = append(r.overridden, old.Entry)
	}
	m["security.protocol"] = entry
}

// statement is what one setting says of the connection: on, or off. It is explicit if
// saying so is its whole purpose.
type statement struct {
	on, explicit bool
	by           setting
}

// strength puts all that was typed on one level: there a contradiction is a mistake,
// whichever flag would be the stronger.
func (s statement) strength() int {
	if s.by.kind.typed() {
		return 0
	}
	return 1 + s.by.rank
}

// decide lets the strongest statement win; nothing said is off. In a file, lines that
// the explicit one makes useless are common, and only worth a warning.
func (r *resolver) decide(all []statement) (on bool, by setting) {
	if len(all) == 0 {
		return false, setting{}
	}
	slices.SortStableFunc(all, func(a, b statement) int {
		if c := cmp.Compare(a.strength(), b.strength()); c != 0 {
			return c
		}
		return cmp.Compare(btoi(b.explicit), btoi(a.explicit))
	})
	first := all[0]
	for _, other := range all[1:] {
		if other.strength() != first.strength() || other.on == first.on {
			continue
		}
		if other.explicit || !first.by.kind.written() {
			r.refuse(other.by.Origin, "%s contradicts %s=%s (%s): leave one of them out", other.by.Typed, first.by.Typed, first.by.Shown(), first.by.Origin)
			break
		}
		r.warn(other.by.Origin, "%s has no effect, since %s is %s (%s)", other.by.Typed, first.by.Typed, first.by.Shown(), first.by.Origin)
	}
	return first.on, first.by
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mayGoUnencrypted refuses to send what can be used again over a connection that
// others can read, unless it stays on this machine or was allowed.
func mayGoUnencrypted(m merged, c *Connection) error {
	sasl := c.Security.SASL
	switch {
	case sasl == nil, c.Security.TLS != nil, sasl.Mechanism != security.Plain && sasl.Mechanism != security.OAuthBearer:
		return nil
	case onThisMachine(c.Brokers), strings.EqualFold(m.get("redline.allow.plaintext.credentials"), "true"):
		return nil
	}
	what := "the password"
	if sasl.Mechanism == security.OAuthBearer {
		what = "the token"
	}
	s := m["bootstrap.servers"]
	return &problem{"redline does not send " + what + " of " + string(sasl.Mechanism) + " unencrypted to " + s.Shown() + " (" + s.Origin.String() +
		"): encrypt with --tls, or allow it with --allow-plaintext-credentials", []error{ErrPlaintextCredentials}}
}
