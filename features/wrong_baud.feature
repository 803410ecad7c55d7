@reads
Feature: Host and module at different rates

  Scenario: A command at another rate than the session's is not understood, and burns nothing
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host changes to 115,200 baud
    And the host sends 10 00 00 00
    Then the host hears no OK
    When the host stays silent for 2.1 s
    And the host sends 55 for 3 ms at 115,200 baud
    And the host sends 10 00 00 00
    Then the module answers OK, OK 18 00 01 00 02 07 ..
    And no fuse was burnt

  Scenario: A session can be begun anew at another rate after a while of silence
    Given a healthy XT-ZB2 in programming mode
    And a session at 2,000,000 baud
    When the host stays silent for 2.1 s
    And the host begins a new session at 115,200 baud
    And the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..

  Scenario: The boot ROM changes its rate on command and answers at the new one
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 20 00 08 00 20 a1 07 00 80 84 1e 00 and changes to 2,000,000 baud at once
    And the host sends 10 00 00 00
    Then the module answers OK, OK 18 00 01 00 02 07 ..

  Scenario: The stock firmware's log cannot be read at 115,200 baud
    Given a healthy XT-ZB2 with BOOT tied low
    And its flash holds the stock firmware
    When the host changes to 115,200 baud
    And EN is pulled low for 50 ms
    And the host stays silent for 3 s
    Then the host cannot read "bl702"

  Scenario: The flasher refuses a rate for the boot ROM that would be rounded
    Given a healthy XT-ZB2 in programming mode
    And a flasher that talks to the boot ROM at 1,750,000 baud
    When I back up the flash
    Then the flasher gives up with exit status 2
    And it says "1750000 baud cannot be used"
