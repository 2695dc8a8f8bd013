package connection

import (
	"errors"
	"slices"
	"strings"
)

// jaas is the one login module of a sasl.jaas.config.
type jaas struct {
	// module is the last part of the class's name, so that repackaged classes count.
	module  string
	options map[string]string
}

// parseJAAS reads the value of sasl.jaas.config,
//
//	CLASS required|requisite|sufficient|optional NAME="VALUE" … ;
//
// as Kafka's JaasConfig does with a java.io.StreamTokenizer. An error shows none of
// the text.
func parseJAAS(text string) (jaas, error) {
	s := &jaasScanner{text: text}
	class, kind := s.next()
	if kind != word {
		return jaas{}, errors.New("it must begin with the class of a login module")
	}
	flag, kind := s.next()
	if kind != word || !slices.Contains([]string{"required", "requisite", "sufficient", "optional"}, strings.ToLower(flag)) {
		return jaas{}, errors.New("after the class comes required, requisite, sufficient or optional")
	}
	parsed := jaas{module: class[strings.LastIndexByte(class, '.')+1:], options: map[string]string{}}
	for {
		name, kind := s.next()
		switch {
		case kind == end:
			return jaas{}, errors.New("a ; is missing at its end")
		case kind == sign && name == ";":
			if _, kind = s.next(); kind != end {
				return jaas{}, errors.New("it must hold one login module, and nothing after its ;")
			}
			return parsed, nil
		case kind != word:
			return jaas{}, errors.New("an option must be NAME=\"VALUE\"")
		}
		equals, _ := s.next()
		value, kind := s.next()
		if equals != "=" || kind != word {
			return jaas{}, errors.New("an option must be NAME=\"VALUE\"")
		}
		parsed.options[name] = value
	}
}

// A token of JAAS is a word (quoted or not), a sign, or the end.
type jaasToken int

const (
	end jaasToken = iota
	word
	sign
)

type jaasScanner struct {
	text string
	at   int
}

func (s *jaasScanner) next() (string, jaasToken) {
	s.skip()
	if s.at >= len(s.text) {
		return "", end
	}
	switch c := s.text[s.at]; {
	case c == '"' || c == '\'':
		return s.quoted(c), word
	case wordByte(c):
		start := s.at
		for s.at < len(s.text) && wordByte(s.text[s.at]) {
			s.at++
		}
		return s.text[start:s.at], word
	}
	s.at++
	return s.text[s.at-1 : s.at], sign
}

// wordByte is what a bare word may hold. Java reads a bare number as none, and fails;
// we take it for the text it is.
func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '$' || c == '.' || c >= 0x80
}

// skip goes over blanks and comments: /* … */, and from any other / to the end of its
// line.
func (s *jaasScanner) skip() {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case rest[0] <= ' ':
			s.at++
		case strings.HasPrefix(rest, "/*"):
			length := strings.Index(rest[2:], "*/")
			if length < 0 {
				s.at = len(s.text)
				return
			}
			s.at += 2 + length + 2
		case rest[0] == '/':
			length := strings.IndexAny(rest, "\r\n")
			if length < 0 {
				length = len(rest)
			}
			s.at += length
		default:
			return
		}
	}
}

// quoted reads up to the same quote, or the end of the line as Java does.
func (s *jaasScanner) quoted(quote byte) string {
	var out []byte
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case quote:
			s.at++
			return string(out)
		case '\n', '\r':
			return string(out)
		case '\\':
			out = s.escaped(out)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// escaped reads what follows a backslash and leaves at on its last byte: the letters
// of C, up to three octal digits, or the character itself.
func (s *jaasScanner) escaped(out []byte) []byte {
	if s.at+1 >= len(s.text) {
		return out
	}
	s.at++
	c := s.text[s.at]
	if letter := strings.IndexByte("abfnrtv", c); letter >= 0 {
		return append(out, "\a\b\f\n\r\t\v"[letter])
	}
	if !octal(c) {
		return append(out, c)
	}
	most := 2
	if c <= '3' {
		most = 3
	}
	code := rune(0)
	for n := 0; n < most && s.at < len(s.text) && octal(s.text[s.at]); n++ {
		code = code*8 + rune(s.text[s.at]-'0')
		s.at++
	}
	s.at--
	return append(out, string(code)...)
}

func octal(c byte) bool { return c >= '0' && c <= '7' }

// Options of OAuthBearerLoginModule that ask for an unsecured token begin so.
const unsecuredLogin = "unsecuredLogin"

// meaning is what a login module says, in properties of the table. unsecured says
// that the whole is to be kept, for unsecuredClaims.
type meaning struct {
	properties []property
	unsecured  bool
	// ignored are options that nobody here reads.
	ignored []string
}

// modules gives for each login module the mechanism that it means, if it means one,
// and the properties that its options stand for.
var modules = map[string]struct {
	mechanism string
	options   map[string]string
}{
	"PlainLoginModule": {"PLAIN", map[string]string{"username": "sasl.username", "password": "sasl.password"}},
	"ScramLoginModule": {"", map[string]string{"username": "sasl.username", "password": "sasl.password"}},
	"OAuthBearerLoginModule": {"OAUTHBEARER", map[string]string{
		"clientId":     "sasl.oauthbearer.client.credentials.client.id",
		"clientSecret": "sasl.oauthbearer.client.credentials.client.secret",
		"scope":        "sasl.oauthbearer.scope",
	}},
	"IAMLoginModule": {"AWS_MSK_IAM", map[string]string{"awsProfileName": "redline.aws.profile"}},
}

// refusedOptions cannot be left out without becoming somebody else.
var refusedOptions = map[string]string{
	"tokenauth":  "delegation tokens (tokenauth) are not supported: use the user's own password",
	"awsRoleArn": "redline assumes no AWS role (awsRoleArn): get its credentials with \"aws sts assume-role\" and give them in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
}

// explain turns a login module into properties of the table.
func (j jaas) explain() (meaning, error) {
	module, known := modules[j.module]
	if !known {
		if j.module == "Krb5LoginModule" {
			return meaning{}, errors.New("GSSAPI (Krb5LoginModule) is not there: use PLAIN, SCRAM, OAUTHBEARER or AWS_MSK_IAM")
		}
		return meaning{}, errors.New("its login module is not known: there are PlainLoginModule, ScramLoginModule, OAuthBearerLoginModule and MSK's IAMLoginModule")
	}
	var m meaning
	if module.mechanism != "" {
		m.properties = append(m.properties, property{key: "sasl.mechanism", value: module.mechanism})
	}
	var extensions []string
	for _, name := range sortedKeys(j.options) {
		value := j.options[name]
		key, translated := module.options[name]
		extension, extends := strings.CutPrefix(name, "extension_")
		switch {
		case translated:
			m.properties = append(m.properties, property{key: key, value: value})
		case refusedOptions[name] != "" && !strings.EqualFold(value, "false"):
			return meaning{}, errors.New(refusedOptions[name])
		case j.module == "OAuthBearerLoginModule" && strings.HasPrefix(name, unsecuredLogin):
			m.unsecured = true
		case j.module == "OAuthBearerLoginModule" && extends:
			extensions = append(extensions, extension+"="+value)
		default:
			m.ignored = append(m.ignored, name)
		}
	}
	if len(extensions) > 0 {
		m.properties = append(m.properties, property{key: "sasl.oauthbearer.extensions", value: strings.Join(extensions, ",")})
	}
	if _, err := j.unsecuredClaims(); m.unsecured && err != nil {
		return meaning{}, err
	}
	return m, nil
}
