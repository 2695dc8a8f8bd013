package sarama

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"redline/internal/client"
)

// drafted is the profile with the properties over it, over what the workload needs.
func drafted(s client.Side, o client.Options, tuned []client.Preset, needed func(*sarama.Config)) (*draft, error) {
	profile, err := client.Presets(o.Profile, tuned)
	if err != nil {
		return nil, err
	}
	d := newDraft(s)
	d.config.ClientID = "redline"
	if o.ClientID != "" {
		d.config.ClientID = o.ClientID
	}
	needed(d.config)
	if err := d.apply(profile, o.Properties); err != nil {
		return nil, err
	}
	d.config.Net.WriteTimeout = d.config.Net.ReadTimeout
	if s&client.Producing != 0 {
		if err := d.settleAcks(); err != nil {
			return nil, err
		}
	}
	if err := authenticate(d.config, o.Security.SASL); err != nil {
		return nil, err
	}
	return d, d.valid()
}

// connect makes sarama's client of a draft, which dials nothing before it is asked.
func (d *draft) connect(o client.Options, conns *connections) (sarama.Client, error) {
	config := d.config
	config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, conns
	config.Metadata.Retry.BackoffFunc = func(int, int) time.Duration { return conns.pause(config.Metadata.Retry.Backoff) }
	config.Producer.Retry.BackoffFunc = func(int, int) time.Duration { return conns.pause(config.Producer.Retry.Backoff) }
	config.Producer.Transaction.Retry.BackoffFunc = config.Producer.Retry.BackoffFunc // of getting a producer's id
	made, err := sarama.NewClient(o.Brokers, config)
	if err != nil {
		return nil, fmt.Errorf("sarama makes no client of these properties: %w; change or leave out the one it names", err)
	}
	return made, nil
}
