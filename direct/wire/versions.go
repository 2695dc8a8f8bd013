package wire

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// versions is a range of versions of one request.
type versions struct{ least, most int16 }

// Version returns the highest version of a request that the broker knows and that is at
// most most; the client's MaxVersions and MinVersions bound it too. An error says that
// there is none, and names broker and request.
func (c *Conn) Version(key, most int16) (int16, error) {
	name := kmsg.NameForKey(key)
	theirs, known := c.versions[key]
	if !known {
		return 0, fmt.Errorf("the broker at %s does not know requests of the kind %s (%d): it is too old or has them switched off", c.address, name, key)
	}
	var least int16
	if c.dialer.most != nil {
		bound, known := c.dialer.most.LookupMaxKeyVersion(key)
		if !known {
			return 0, fmt.Errorf("the client's MaxVersions has no requests of the kind %s (%d): raise it", name, key)
		}
		most = min(most, bound)
	}
	if c.dialer.least != nil {
		least, _ = c.dialer.least.LookupMaxKeyVersion(key)
	}
	version := min(most, theirs.most)
	if version < max(least, theirs.least) {
		return 0, fmt.Errorf("the broker at %s knows the versions %d to %d of %s, where %d to %d can be spoken here: there is none in common", c.address, theirs.least, theirs.most, name, least, most)
	}
	return version, nil
}

// learnVersions asks the broker what it speaks. One that does not know the version of the
// question says so in version 0 and names the one to ask in; one older than 2.4 names none.
func (c *Conn) learnVersions() error {
	// 3 is the first that tells the broker name and version of the software; what the
	// later ones have is not needed.
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version = c.bounded(apiVersionsKey, 3)
	r.ClientSoftwareName, r.ClientSoftwareVersion = c.dialer.software[0], c.dialer.software[1]
	response, err := c.askVersions(r)
	if err == nil && response.ErrorCode == kerr.UnsupportedVersion.Code && r.Version > 0 {
		r.Version = lower(response, r.Version)
		response, err = c.askVersions(r)
	}
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return c.fail(fmt.Errorf("the broker at %s does not tell which versions it speaks: %w", c.address, err))
	}
	if len(response.ApiKeys) == 0 {
		return c.fail(fmt.Errorf("the broker at %s says that it knows no requests at all", c.address))
	}
	known := make(map[int16]versions, len(response.ApiKeys))
	for _, k := range response.ApiKeys {
		if k.MinVersion >= 0 && k.MaxVersion >= k.MinVersion {
			known[k.ApiKey] = versions{k.MinVersion, k.MaxVersion}
		}
	}
	c.versions = known
	return nil
}

func (c *Conn) askVersions(r *kmsg.ApiVersionsRequest) (*kmsg.ApiVersionsResponse, error) {
	body, err := c.ask(r)
	if err != nil {
		return nil, err
	}
	response := r.ResponseKind().(*kmsg.ApiVersionsResponse)
	cursor := NewCursor(body)
	if cursor.Int16() == kerr.UnsupportedVersion.Code {
		response.Version = 0
	}
	if err := response.ReadFrom(body); err != nil {
		return nil, c.garbled(r, err)
	}
	return response, nil
}

// lower is the version of ApiVersions to ask in after one that the broker does not know.
func lower(response *kmsg.ApiVersionsResponse, than int16) int16 {
	for _, k := range response.ApiKeys {
		if k.ApiKey == apiVersionsKey && k.MaxVersion >= 0 && k.MaxVersion < than {
			return k.MaxVersion
		}
	}
	return 0
}

// bounded is a version within the client's MaxVersions, before the broker's are known.
func (c *Conn) bounded(key, version int16) int16 {
	if c.dialer.most == nil {
		return version
	}
	bound, _ := c.dialer.most.LookupMaxKeyVersion(key)
	return max(0, min(version, bound))
}
