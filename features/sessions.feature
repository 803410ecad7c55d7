@reads
Feature: Sessions end without a word, and can be begun again
  The boot ROM forgets a silent host after a second or two, the RAM loader after four seconds, or after three
  commands that it had to refuse. Neither says so: the next command is simply not answered.

  Scenario: Nearly a second of silence is nothing to the boot ROM
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host stays silent for 0.9 s
    And the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..

  Scenario: After 2.1 seconds of silence the boot ROM has to be woken again
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host stays silent for 2.1 s
    And the host sends 10 00 00 00
    Then the module answers nothing
    When the host begins a new session at 500,000 baud
    And the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..

  Scenario: A boot ROM that was woken again has forgotten the image it was given
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "header: good"
    And the host stays silent for 2.1 s
    Then the module answers OK
    When the host begins a new session at 500,000 baud
    And the host sends 17 00 10 00 00 00 01 22 10 00 00 00 00 00 00 00 5f 36 ab 44
    Then the module answers FL0104

  Scenario: 3.9 seconds of silence are nothing to the RAM loader
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host stays silent for 3.8 s
    And the host sends 36 00 00 00
    Then the module answers OK 04 00 c2 20 14 80

  Scenario: After 4.1 seconds of silence the RAM loader has to be woken again
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host stays silent for 4.1 s
    And the host sends 36 00 00 00
    Then the module answers nothing
    When the host begins a new session at 2,000,000 baud
    And the host sends 36 00 00 00
    Then the module answers OK 04 00 c2 20 14 80

  Scenario: The third refused command ends the RAM loader's session, though it is still answered
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host sends 32 00 00 00
    And the host sends 31 00 00 00
    And the host sends 30 00 00 00
    And the host sends 36 00 00 00
    Then the module answers FL0004, FL0004, FL0002, nothing
    When the host begins a new session at 500,000 baud
    And the host sends 36 00 00 00
    Then the module answers OK 04 00 c2 20 14 80

  Scenario: Commands that go well in between do not make up for refused ones
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "errors count even with successes between"
    Then the last answer is nothing

  Scenario: Two refused commands are forgiven
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host sends 32 00 00 00 twice
    And the host sends 36 00 00 00
    Then the module answers FL0004, FL0004, OK 04 00 c2 20 14 80

  Scenario: A frame that announces too much is never answered, nor what follows, until both are silent
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host sends 31 29 05 24 00 00 00 00
    And the host sends 36 00 00 00
    Then the module answers nothing, nothing
    When the host stays silent for 4.2 s
    And the host begins a new session at 500,000 baud
    And the host sends 36 00 00 00
    Then the module answers OK 04 00 c2 20 14 80

  Scenario: The RAM loader waits for the rest of a frame
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the host sends 32 28 08 00 10
    And the host stays silent for 1.5 s
    And the host sends 00 00 00 10 00 00 00
    Then the module answers nothing, OK 10 00 70 77 7e 85 8c 93 9a a1 a8 af b6 bd c4 cb d2 d9

  Scenario: The flasher uses a RAM loader that is already running
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash holds the reference pattern
    When I back up the flash
    Then the flasher found the RAM loader running
    And the flasher uploaded nothing
    And the backup equals the flash

  Scenario: A RAM loader that was left running is found by the next command
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I back up the flash and leave the RAM loader running
    And I back up the flash
    Then the flasher found the RAM loader running
    And the backup equals the flash

  Scenario: The session of a client that was killed is over after a while of silence
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash holds the reference pattern
    And a session at 2,000,000 baud
    When a client sends 32 08 08 00 00 00 and dies
    And I back up the flash
    Then the flasher had to wait for an old session to end
    And the flasher found the RAM loader running
    And the backup equals the flash

  Scenario: An upload that a killed client left half done is begun again
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When a client sends the frames of the reference vector "data, last byte" and dies
    And I back up the flash
    Then the flasher had to upload the RAM loader
    And the backup equals the flash
    And no fuse was burnt
